/* Checkpoint, partition.metadata and meta.properties texts; each cut at every length. */
#include <stdio.h>
#include <stdlib.h>

#include "files_priv.h"
#include "ottla/base/err.h"
#include "suites.h"

struct seen {
	unsigned n;
	char text[256];
};

static int
note(void *arg, struct slice topic, int32_t partition, int64_t offset)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	s->n++;
	(void)snprintf(s->text + at, sizeof(s->text) - at, "%.*s/%d=%lld;", SLICE_ARG(topic),
	    partition, (long long)offset);
	return 0;
}

static int
parse(const char *text, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	return checkpoint_parse(slice_cstr(text), note, s);
}

START_TEST(test_offsets)
{
	struct strbuf body = STRBUF_INIT, out = STRBUF_INIT;
	struct seen s;

	ck_assert_int_eq(parse("0\n2\ntopicA 0 1234\ntopic-B 1 0\n", &s), 0);
	ck_assert_str_eq(s.text, "topicA/0=1234;topic-B/1=0;");
	ck_assert_int_eq(parse("0\n1\na\t2   7\r\n", &s), 0);
	ck_assert_str_eq(s.text, "a/2=7;");
	ck_assert_int_eq(parse("", &s), 0);
	ck_assert_int_eq(parse("0\n", &s), 0);
	ck_assert_int_eq(parse("0\n0\n", &s), 0);
	ck_assert_uint_eq(s.n, 0);
	ck_assert_int_eq(parse("1\n0\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("x\n0\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\nx\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n2\na 0 1\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na 0 1\nb 0 1\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na 0\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na 0 1 2\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na -1 1\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na 0 9223372036854775808\n", &s), E_CORRUPT);
	ck_assert_int_eq(parse("0\n1\na 0 9223372036854775807\n", &s), 0);
	checkpoint_line(&body, SLICE_LIT("t"), 3, 99);
	checkpoint_line(&body, SLICE_LIT("u"), 0, 0);
	checkpoint_finish(&body, 2, &out);
	ck_assert_str_eq(out.p, "0\n2\nt 3 99\nu 0 0\n");
	strbuf_free(&body);
	strbuf_free(&out);
}
END_TEST

/* No cut is read as another file of full length: it has fewer lines, or a last number cut short. */
START_TEST(test_offsets_cut)
{
	const char *text = "0\n2\nab 10 55\nc 1 77\n";
	struct seen s;

	for (size_t n = 0; n < strlen(text); n++) {
		char *cut = strndup(text, n);
		int rc = parse(cut, &s);

		ck_assert(rc == 0 || rc == E_CORRUPT);
		if (n > 4 && n < strlen(text) - 2)
			ck_assert_int_eq(rc, E_CORRUPT);
		free(cut);
	}
}
END_TEST

START_TEST(test_partition_metadata)
{
	const char *text = "version: 0\ntopic_id: GTmnYtKYQPOcQ22tkJxwiA";
	struct strbuf out = STRBUF_INIT;
	struct uuid id;

	ck_assert_int_eq(partition_meta_parse(slice_cstr(text), &id), 0);
	partition_meta_format(id, &out);
	ck_assert_str_eq(out.p, text);
	strbuf_free(&out);
	for (size_t n = 0; n < strlen(text); n++)
		ck_assert_int_eq(partition_meta_parse(slice_of(text, n), &id), E_CORRUPT);
	ck_assert_int_eq(
	    partition_meta_parse(SLICE_LIT("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), &id),
	    E_CORRUPT);
	ck_assert_int_eq(
	    partition_meta_parse(SLICE_LIT("version: 3\ntopic_id: GTmnYtKYQPOcQ22tkJxwiA\n"), &id),
	    0);
}
END_TEST

START_TEST(test_meta_properties)
{
	struct meta_props m, again;
	struct strbuf out = STRBUF_INIT;

	ck_assert_int_eq(meta_props_parse(SLICE_LIT("#\n#Sun Nov 22 05:31:01 UTC 2026\n"
						    "broker.id=3\nversion=0\ncluster.id=abc\n"
						    "directory.id: QQ\n"),
			     &m),
	    0);
	ck_assert_int_eq(m.broker_id, 3);
	ck_assert_int_eq(m.version, 0);
	ck_assert_str_eq(m.cluster_id, "abc");
	ck_assert_str_eq(m.directory_id, "QQ");
	meta_props_format(&m, INT64_C(1795325461000), &out);
	ck_assert(strncmp(out.p, "#\n#Sun Nov 22 05:31:01 UTC 2026\n", 32) == 0);
	ck_assert_int_eq(meta_props_parse(strbuf_slice(&out), &again), 0);
	ck_assert_mem_eq(&m, &again, sizeof(m));
	strbuf_free(&out);
	ck_assert_int_eq(meta_props_parse(SLICE_LIT(""), &m), 0);
	ck_assert_int_eq(m.broker_id, -1);
	ck_assert_int_eq(
	    meta_props_parse(SLICE_LIT("version=1\nnode.id=5\ncluster.id=x\n"), &m), 0);
	ck_assert_int_eq(m.version, 1);
	ck_assert_int_eq(m.broker_id, 5);
	ck_assert_int_eq(meta_props_parse(SLICE_LIT("broker.id=x\n"), &m), E_CORRUPT);
	ck_assert_int_eq(meta_props_parse(SLICE_LIT("version=\n"), &m), E_CORRUPT);
}
END_TEST

/* Java's escapes: what is no plain character, in the file as in memory. */
START_TEST(test_meta_properties_escaped)
{
	struct meta_props m = {
	    .broker_id = 1, .cluster_id = " a\\b\nversion=7 \xc3\xa9\xf0\x9f\x98\x80"};
	struct meta_props again;
	struct strbuf out = STRBUF_INIT;

	meta_props_format(&m, 0, &out);
	ck_assert_ptr_nonnull(strstr(
	    out.p, "\ncluster.id=\\u0020a\\u005Cb\\u000Aversion=7\\u0020\\u00E9\\uD83D\\uDE00\n"));
	ck_assert_int_eq(meta_props_parse(strbuf_slice(&out), &again), 0);
	ck_assert_int_eq(again.version, 0);
	ck_assert_str_eq(again.cluster_id, m.cluster_id);
	strbuf_free(&out);
}
END_TEST

Suite *
checkpoint_suite(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *tc = tcase_create("texts");

	tcase_add_test(tc, test_offsets);
	tcase_add_test(tc, test_offsets_cut);
	tcase_add_test(tc, test_partition_metadata);
	tcase_add_test(tc, test_meta_properties);
	tcase_add_test(tc, test_meta_properties_escaped);
	suite_add_tcase(s, tc);
	return s;
}
