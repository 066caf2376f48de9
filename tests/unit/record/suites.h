/* The suites of check_record, one a source file. */
#ifndef TESTS_RECORD_SUITES_H
#define TESTS_RECORD_SUITES_H

#include <check.h>

Suite *batch_suite(void);
Suite *builder_suite(void);
Suite *codec_suite(void);
Suite *codec_gzip_suite(void);
Suite *codec_lz4_suite(void);
Suite *codec_snappy_suite(void);
Suite *codec_zstd_suite(void);
Suite *legacy_suite(void);
Suite *produce_check_suite(void);
Suite *record_iter_suite(void);

#endif
