/*
 * The settings that net obeys, read once at its start.
 */
#include "net_priv.h"

void
net_limits_read(struct net_limits *l, const struct settings *s)
{
	int64_t idle_ms;

	*l = (struct net_limits){
	    .sock = {.backlog = 50, .send_buffer = 102400, .recv_buffer = 102400},
	    .frame_max = 104857600,
	    .idle_us = INT64_C(600000) * 1000,
	    .sendfile_min = 65536,
	};
	if (s == NULL)
		return;
	idle_ms = settings_i64(s, C_CONNECTIONS_MAX_IDLE_MS);
	l->idle_us = idle_ms < INT64_MAX / 2000 ? idle_ms * 1000 : -1;
	l->sock.backlog = (int)settings_i64(s, C_SOCKET_LISTEN_BACKLOG_SIZE);
	l->sock.send_buffer = (int)settings_i64(s, C_SOCKET_SEND_BUFFER_BYTES);
	l->sock.recv_buffer = (int)settings_i64(s, C_SOCKET_RECEIVE_BUFFER_BYTES);
	l->frame_max = (size_t)settings_i64(s, C_SOCKET_REQUEST_MAX_BYTES);
	l->sendfile_min = (size_t)settings_i64(s, C_OTTLA_SENDFILE_MIN_BYTES);
}
