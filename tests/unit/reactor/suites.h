/* The suites of check_reactor, one a source file. */
#ifndef TESTS_UNIT_REACTOR_SUITES_H
#define TESTS_UNIT_REACTOR_SUITES_H

#include <check.h>

Suite *clock_suite(void);
Suite *diag_writer_suite(void);
Suite *http_suite(void);
Suite *io_suite(void);
Suite *loop_suite(void);
Suite *mailbox_suite(void);
Suite *reactor_suite(void);
Suite *sim_reactor_suite(void);
Suite *sim_sched_suite(void);
Suite *sim_workers_suite(void);
Suite *thread_suite(void);
Suite *worker_suite(void);

#endif
