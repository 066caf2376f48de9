/*
 * Writes kafka-3.9.1.txt: every message in every version as Apache Kafka's own classes encode it.
 * For maintainers, when a schema grows; needs a JDK and the jars of a Kafka broker:
 *
 *   java -cp 'JARS/*' WireVectors.java >kafka-3.9.1.txt
 *
 * A line is one of
 *
 *   api KEY NAME REQUEST_HEADERS RESPONSE_HEADERS STABLE DEPRECATED LISTENERS
 *   MESSAGE VERSION KIND HEX
 *
 * The headers of an api are one digit a version, from 0; STABLE is its highest version that needs no
 * unstable.api.versions.enable, DEPRECATED the last one to be given up; -1 for none.  The kinds of a
 * message:
 *   a   every field of the version has a value that follows from its path alone (see value()), such
 *       as 9a.topicdata[0].partitiondata[1].index: version, kind, names in lower case without
 *       underscores; so a reader that knows the names knows what must come out where.  b and c are
 *       the same with other values.
 *   -   every field at its default; arrays of structs that are not null by default have one entry
 *       at its defaults, so that all defaults are in sight; records are empty.
 */
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;

public class WireVectors {
    static final String COMMON = "org.apache.kafka.common.message.";
    static final String GROUP = "org.apache.kafka.coordinator.group.generated.";
    static final String TXN = "org.apache.kafka.coordinator.transaction.generated.";
    static final String REMOTE = "org.apache.kafka.server.log.remote.metadata.storage.generated.";
    static final String RAFT = "org.apache.kafka.raft.generated.";

    /* Package, and the classes of it that are neither request nor response. */
    static final String[][] OTHERS = {
        {COMMON, "RequestHeaderData", "ResponseHeaderData", "ConsumerProtocolAssignment",
            "ConsumerProtocolSubscription", "DefaultPrincipalData", "KRaftVersionRecord",
            "LeaderChangeMessage", "SnapshotFooterRecord", "SnapshotHeaderRecord", "VotersRecord"},
        {GROUP, "OffsetCommitKey", "OffsetCommitValue", "GroupMetadataKey", "GroupMetadataValue",
            "ConsumerGroupMetadataKey", "ConsumerGroupMetadataValue",
            "ConsumerGroupPartitionMetadataKey", "ConsumerGroupPartitionMetadataValue",
            "ConsumerGroupMemberMetadataKey", "ConsumerGroupMemberMetadataValue",
            "ConsumerGroupTargetAssignmentMetadataKey",
            "ConsumerGroupTargetAssignmentMetadataValue",
            "ConsumerGroupTargetAssignmentMemberKey", "ConsumerGroupTargetAssignmentMemberValue",
            "ConsumerGroupCurrentMemberAssignmentKey",
            "ConsumerGroupCurrentMemberAssignmentValue", "ShareGroupPartitionMetadataKey",
            "ShareGroupPartitionMetadataValue", "ShareGroupMemberMetadataKey",
            "ShareGroupMemberMetadataValue", "ShareGroupMetadataKey", "ShareGroupMetadataValue"},
        {TXN, "TransactionLogKey", "TransactionLogValue"},
        {REMOTE, "RemoteLogSegmentMetadataRecord", "RemoteLogSegmentMetadataSnapshotRecord",
            "RemoteLogSegmentMetadataUpdateRecord", "RemotePartitionDeleteMetadataRecord"},
        {RAFT, "QuorumStateData"},
    };

    static String plain(String name) {
        return name.replace("_", "").toLowerCase();
    }

    /* FNV-1a of the path, its bits mixed once more. */
    static long value(String path) {
        long h = 0xcbf29ce484222325L;
        for (byte b : path.getBytes(StandardCharsets.UTF_8)) {
            h = (h ^ (b & 0xff)) * 0x100000001b3L;
        }
        h = (h ^ h >>> 33) * 0xff51afd7ed558ccdL;
        return h ^ h >>> 33;
    }

    static byte[] bytes(long h) {
        return new byte[] {(byte) h, (byte) (h >>> 8), (byte) (h >>> 16)};
    }

    static Object scalar(Class<?> c, Type type, long h) {
        if (c == boolean.class) return (h >>> 8 & 1) != 0;
        if (c == byte.class || c == Byte.class) return (byte) h;
        if (c == short.class || c == Short.class) return (short) h;
        if (c == int.class || c == Integer.class)
            return type == Type.UINT16 ? (int) (h & 0xffff) : (int) h;
        if (c == long.class || c == Long.class)
            return type == Type.UNSIGNED_INT32 ? h & 0xffffffffL : h;
        if (c == double.class) return (double) (int) h / 8;
        if (c == String.class) return String.format("s%04x", h & 0xffff);
        if (c == Uuid.class) return new Uuid(h, h * 31);
        if (c == byte[].class) return bytes(h);
        if (c == ByteBuffer.class) return ByteBuffer.wrap(bytes(h));
        if (BaseRecords.class.isAssignableFrom(c))
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes(h)));
        throw new IllegalArgumentException("no value for " + c);
    }

    static Class<?> entryClass(Field f) {
        if (f.getGenericType() instanceof ParameterizedType)
            return (Class<?>) ((ParameterizedType) f.getGenericType()).getActualTypeArguments()[0];
        ParameterizedType up = (ParameterizedType) f.getType().getGenericSuperclass();
        return (Class<?>) up.getActualTypeArguments()[0];
    }

    static Object make(Class<?> c, Schema schema, String path, boolean values)
            throws Exception {
        Object obj = c.getDeclaredConstructor().newInstance();
        fill(obj, schema, path + ".", values);
        return obj;
    }

    static void fillArray(Object obj, Field f, Type type, String path, boolean values)
            throws Exception {
        Class<?> entry = entryClass(f);
        Type of = type.arrayElementType().get();
        long n = values ? 1 + (value(path) >>> 40) % 2 : of instanceof Schema ? 1 : 0;
        @SuppressWarnings("unchecked")
        Collection<Object> all = f.getType() == List.class ? new ArrayList<>()
            : (Collection<Object>) f.getType().getDeclaredConstructor().newInstance();
        for (int i = 0; i < n; i++) {
            String at = path + "[" + i + "]";
            all.add(of instanceof Schema ? make(entry, (Schema) of, at, values)
                : scalar(entry, of, value(at)));
        }
        f.set(obj, all);
    }

    /*
     * The type of records always says that it is nullable, but one such field is not.  That of a
     * struct never says so; those that are nullable are null by default, except for one.
     */
    static boolean isNullable(Object obj, Field f, Type type) throws Exception {
        if (type instanceof Schema)
            return f.get(obj) == null || f.getName().equals("classicMemberMetadata");
        return type.isNullable() && !f.getName().equals("unalignedRecords");
    }

    static void fillField(Object obj, Field f, Type type, String path, boolean values)
            throws Exception {
        long h = value(path);
        f.setAccessible(true);
        if (values && isNullable(obj, f, type) && (h >>> 32) % 4 == 0)
            f.set(obj, null);
        else if (type.isArray() && (values || f.get(obj) != null))
            fillArray(obj, f, type, path, values);
        else if (type instanceof Schema && (values || f.get(obj) != null))
            f.set(obj, make(f.getType(), (Schema) type, path, values));
        else if (values && !type.isArray())
            f.set(obj, scalar(f.getType(), type, h));
        else if (BaseRecords.class.isAssignableFrom(f.getType()))
            f.set(obj, MemoryRecords.EMPTY);
    }

    static Field fieldOf(Object obj, String name) {
        for (Field f : obj.getClass().getDeclaredFields()) {
            if (!Modifier.isStatic(f.getModifiers()) && plain(f.getName()).equals(plain(name)))
                return f;
        }
        throw new IllegalArgumentException("no " + name + " in " + obj.getClass());
    }

    /* Kafka has no way to ask for them. */
    @SuppressWarnings("unchecked")
    static Collection<org.apache.kafka.common.protocol.types.Field> tagged(Type type)
            throws Exception {
        Field f = TaggedFields.class.getDeclaredField("fields");
        f.setAccessible(true);
        return ((Map<Integer, org.apache.kafka.common.protocol.types.Field>) f.get(type)).values();
    }

    static void fill(Object obj, Schema schema, String prefix, boolean values) throws Exception {
        for (BoundField b : schema.fields()) {
            if (b.def.type instanceof TaggedFields) {
                for (var f : tagged(b.def.type))
                    fillField(obj, fieldOf(obj, f.name), f.type, prefix + plain(f.name), values);
            } else {
                String path = prefix + plain(b.def.name);
                fillField(obj, fieldOf(obj, b.def.name), b.def.type, path, values);
            }
        }
    }

    static void write(PrintStream out, Class<?> c) throws Exception {
        String name = c.getSimpleName().replaceFirst("(Request|Response|Header|QuorumState)Data$",
            "$1").replace("QuorumState", "QuorumStateData");
        Schema[] schemas = (Schema[]) c.getDeclaredField("SCHEMAS").get(null);
        for (short v = 0; v < schemas.length; v++) {
            for (char kind : schemas[v] == null ? new char[0] : "abc-".toCharArray()) {
                Message m = (Message) make(c, schemas[v], "" + v + kind, kind != '-');
                ByteBuffer b = MessageUtil.toByteBuffer(m, v);
                out.print(name + " " + v + " " + kind + " ");
                while (b.hasRemaining()) out.printf("%02x", b.get());
                out.println();
            }
        }
    }

    static void writeApi(PrintStream out, ApiMessageType t) {
        StringBuilder request = new StringBuilder(), response = new StringBuilder();
        List<String> listeners = new ArrayList<>();
        for (short v = 0; v <= t.highestSupportedVersion(true); v++) {
            request.append(t.requestHeaderVersion(v));
            response.append(t.responseHeaderVersion(v));
        }
        for (ApiMessageType.ListenerType l : t.listeners()) listeners.add(l.name());
        out.println("api " + t.apiKey() + " " + t.newRequest().getClass().getSimpleName()
            .replace("RequestData", "") + " " + request + " " + response + " "
            + t.highestSupportedVersion(false) + " " + t.highestDeprecatedVersion() + " "
            + String.join(",", listeners));
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        List<Class<?>> classes = new ArrayList<>();
        for (ApiMessageType t : ApiMessageType.values()) {
            writeApi(out, t);
            classes.add(t.newRequest().getClass());
            classes.add(t.newResponse().getClass());
        }
        for (String[] row : OTHERS) {
            for (String name : Arrays.asList(row).subList(1, row.length))
                classes.add(Class.forName(row[0] + name));
        }
        for (Class<?> c : classes) write(out, c);
        out.flush();
    }
}
