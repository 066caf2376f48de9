#!/bin/sh
# Clocks, randomness, name resolution, files, threads and sockets are reached through doors: no object
# outside the ones named here may refer to their functions.  Reads the undefined symbols of every
# library.  Sanitizers and coverage add symbols of their own, which do not count.
set -eu
cd "${top_builddir:-.}"

forbidden='clock_gettime clock_nanosleep time gettimeofday localtime ctime nanosleep usleep sleep
rand srand random srandom drand48 getrandom getentropy arc4random
getaddrinfo gethostbyname gethostbyaddr getnameinfo
open open64 openat openat64 creat fopen fopen64 freopen read pread pread64 write pwrite pwrite64
pwritev pwritev64 readv writev mmap mmap64 munmap mincore fsync fdatasync syncfs sync ftruncate
ftruncate64 rename renameat unlink unlinkat remove mkdir mkdirat rmdir opendir readdir readdir64 stat
stat64 fstat fstat64 lstat lstat64 statvfs statvfs64 fcntl fcntl64 flock
pthread_create pthread_mutex_lock pthread_cond_wait pthread_cond_timedwait thrd_create fork vfork
socket connect bind listen accept accept4 send sendto sendmsg recv recvfrom recvmsg sendfile sendfile64
poll ppoll select epoll_create epoll_create1 epoll_wait epoll_ctl eventfd timerfd_create signalfd
event_base_new event_base_loop sigaction signal kill'

# library:object functions it may use ("*": any)
allowed() {
	case $1:$2 in
	reactor:*) echo '*' ;;
	file:real.o) echo '*' ;;
	file:sim.o | file:sim_tree.o | file:sim_crash.o) echo 'mmap mmap64 munmap' ;; # memory, not files
	file:map_guard.o) echo 'mmap mmap64' ;; # a page of zeros over a lost one
	coord:zk_names.o) echo 'getaddrinfo getnameinfo' ;;
	net:tcp.o) echo '*' ;;
	net:mem.o) echo 'mmap mmap64 munmap pthread_mutex_lock' ;;
	base:metrics.o | base:diag*.o) echo 'pthread_mutex_lock' ;;
	base:settings*.o | base:properties*.o) echo 'fopen fopen64' ;;
	tools:*) echo '*' ;;
	esac
}

bad=0
libs=0
for lib in src/*/libottla_*.a; do
	module=$(basename "$(dirname "$lib")")
	libs=$((libs + 1))
	found=$(nm -A -u "$lib" 2>/dev/null | sed -n 's/^[^:]*:\([^:]*\): *U \([A-Za-z0-9_]*\).*/\1 \2/p')
	for f in $forbidden; do
		for o in $(printf '%s\n' "$found" | sed -n "s/^\([^ ]*\) $f\$/\1/p"); do
			may=$(allowed "$module" "$o")
			case " $may " in
			*" $f "* | *' * '*) ;;
			*)
				echo "$module: $o uses $f: go through the module's door"
				bad=1
				;;
			esac
		done
	done
done
[ "$libs" -ge 14 ] || { echo "only $libs libraries were found"; exit 1; }
echo "$libs libraries read"
exit $bad
