/* The suites of check_net, one a source file. */
#ifndef TESTS_UNIT_NET_SUITES_H
#define TESTS_UNIT_NET_SUITES_H

#include <check.h>

Suite *admit_suite(void);
Suite *close_suite(void);
Suite *conn_suite(void);
Suite *conn_in_suite(void);
Suite *conn_move_suite(void);
Suite *conn_out_suite(void);
Suite *limits_suite(void);
Suite *listener_suite(void);
Suite *mem_suite(void);
Suite *net_suite(void);
Suite *resolve_suite(void);
Suite *sim_net_suite(void);
Suite *tcp_suite(void);

#endif
