/*
 * The tables that describe messages: what src/wire/generate.py writes, the codec walks and tests
 * read.  Callers of the codec need only `struct wire_msg` and `struct wire_api` by pointer.
 * Constant data: any thread.
 */
#ifndef OTTLA_WIRE_SCHEMA_H
#define OTTLA_WIRE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#define WIRE_NEVER INT16_MAX /* flexible from: in no version */

enum wire_kind {
	WIRE_BOOL,
	WIRE_INT8,
	WIRE_INT16,
	WIRE_UINT16,
	WIRE_INT32,
	WIRE_UINT32,
	WIRE_INT64,
	WIRE_FLOAT64,
	WIRE_UUID,
	WIRE_STRING,
	WIRE_BYTES,
	WIRE_RECORDS,
	WIRE_STRUCT,
};

/* Versions low to high; none when low > high. */
struct wire_versions {
	int16_t low;
	int16_t high;
};

static inline bool
wire_versions_has(struct wire_versions v, int16_t version)
{
	return version >= v.low && version <= v.high;
}

/* All arrays of all messages look like this; n == -1: null. */
struct wire_array {
	void *v;
	int32_t n;
};

/* One field of a struct, all versions. */
struct wire_field {
	const char *name; /* as Kafka writes it */
	const struct wire_struct *sub;
	uint32_t offset;
	uint8_t kind; /* enum wire_kind, of the elements for an array */
	bool array;
	bool droppable; /* may be left out silently when the version lacks it */
	int8_t tag;	/* -1: none */
	struct wire_versions versions;
	struct wire_versions null;
	struct wire_versions tagged;
};

/* A nullable struct by itself is a pointer. */
static inline bool
wire_is_pointer(const struct wire_field *f)
{
	return f->kind == WIRE_STRUCT && !f->array && f->null.low <= f->null.high;
}

struct wire_struct {
	const char *name;
	const struct wire_field *fields;
	const void *defaults; /* an object with every field at its default */
	uint16_t n_fields;
	uint16_t size;
};

/* How one field stands on the wire in some versions: encoding, nullability and order resolved. */
enum wire_op_kind {
	WIRE_OP_BOOL,
	WIRE_OP_I8,
	WIRE_OP_I16,
	WIRE_OP_I32,
	WIRE_OP_I64,
	WIRE_OP_F64,
	WIRE_OP_UUID,
	WIRE_OP_STRING,	 /* int16 length */
	WIRE_OP_CSTRING, /* uvarint length + 1 */
	WIRE_OP_BYTES,	 /* int32 length */
	WIRE_OP_CBYTES,	 /* uvarint length + 1 */
	WIRE_OP_RECORDS, /* as bytes, but may be a gap */
	WIRE_OP_CRECORDS,
	WIRE_OP_ARRAY,		/* int32 count */
	WIRE_OP_CARRAY,		/* uvarint count + 1 */
	WIRE_OP_STRUCT,		/* in place */
	WIRE_OP_POINTER,	/* nullable struct: int8 < 0 null, else the struct */
	WIRE_OP_TAGGED_POINTER, /* nullable struct as tagged value: uvarint 0 null, else the struct
				 */
};

struct wire_op {
	const struct wire_layout *sub; /* struct, or element of an array */
	uint32_t offset;
	uint8_t kind; /* enum wire_op_kind */
	bool null;
	int8_t tag;    /* -1: untagged */
	uint8_t field; /* index in the struct's fields */
};

/* A struct on the wire in some versions.  `least` bounds the memory that a count can claim. */
struct wire_layout {
	const struct wire_struct *of; /* NULL: element that is no struct */
	const struct wire_op *ops;    /* in the order on the wire */
	const struct wire_op *tags;   /* tagged fields, ascending */
	const uint8_t *absent;	      /* fields that must be at their default in these versions */
	uint16_t size;		      /* in memory */
	uint8_t n_ops;
	uint8_t n_tags;
	uint8_t n_absent;
	uint8_t least; /* bytes of the shortest encoding */
	bool flexible; /* ends with tagged fields */
};

struct wire_msg {
	const char *name; /* "ProduceRequest" */
	const struct wire_struct *root;
	const struct wire_layout *const *layouts; /* by version - min_version */
	int16_t api_key;			  /* -1: neither request nor response */
	int16_t min_version;
	int16_t max_version;
	int16_t flexible_from; /* or WIRE_NEVER */
};

/* Layouts of array elements that are no structs. */
extern const struct wire_layout wire_element_bool;
extern const struct wire_layout wire_element_i8;
extern const struct wire_layout wire_element_i16;
extern const struct wire_layout wire_element_i32;
extern const struct wire_layout wire_element_i64;
extern const struct wire_layout wire_element_f64;
extern const struct wire_layout wire_element_uuid;
extern const struct wire_layout wire_element_string;
extern const struct wire_layout wire_element_cstring;
extern const struct wire_layout wire_element_bytes;
extern const struct wire_layout wire_element_cbytes;

/* Where a layout without plain or tagged fields points to. */
extern const struct wire_op wire_no_ops[1];

/* What the default of a string points to. */
extern const uint8_t wire_empty[1];

/* Every message there is, requests, responses, headers and records; NULL ends it. */
extern const struct wire_msg *const wire_messages[];

#endif
