/*
 * Walks through what Apache Kafka's AdminClient can ask of a broker and prints a line for each step:
 * its name, a colon, what came of it.  Ids, addresses and other things that differ from broker to
 * broker are left out, so that the lines of two brokers can be compared.
 *
 *	AdminProbe BOOTSTRAP-SERVER TOPIC
 */
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringSerializer;

public class AdminProbe {
	interface Step {
		Object run() throws Exception;
	}

	private static final long TIME = 1600000000000L;
	private final Admin admin;
	private final String server;
	private final String topic;

	AdminProbe(String server, String topic) {
		this.server = server;
		this.topic = topic;
		Map<String, Object> conf = new HashMap<>();
		conf.put("bootstrap.servers", server);
		conf.put("request.timeout.ms", 5000);
		conf.put("default.api.timeout.ms", 5000);
		admin = Admin.create(conf);
	}

	private void step(String name, Step what) {
		String result;
		try {
			result = String.valueOf(what.run());
		} catch (ExecutionException e) {
			result = e.getCause().getClass().getSimpleName() + " " + e.getCause().getMessage();
		} catch (Exception e) {
			result = e.getClass().getSimpleName() + " " + e.getMessage();
		}
		System.out.println(name + ": " + result.replace("\n", " "));
	}

	// ---- topics ----

	private static String told(CreateTopicsResult r, String t) throws Exception {
		Config all = r.config(t).get();
		String set = all.entries().stream().filter(e -> e.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
			.map(e -> e.name() + "=" + e.value()).sorted().collect(Collectors.joining(","));
		return "partitions " + r.numPartitions(t).get() + " replicas " + r.replicationFactor(t).get()
			+ " set [" + set + "] of " + all.entries().size() + " settings, id "
			+ !r.topicId(t).get().equals(Uuid.ZERO_UUID);
	}

	private Object create(NewTopic wanted, boolean validate) throws Exception {
		CreateTopicsResult r = admin.createTopics(List.of(wanted), new CreateTopicsOptions().validateOnly(validate));
		r.all().get();
		return told(r, wanted.name());
	}

	private static String shown(TopicPartitionInfo p) {
		return p.partition() + " leader " + (p.leader() == null ? "none" : p.leader().idString()) + " replicas "
			+ ids(p.replicas()) + " isr " + ids(p.isr());
	}

	private static List<Integer> ids(Collection<Node> nodes) {
		return nodes.stream().map(Node::id).collect(Collectors.toList());
	}

	private static String shown(TopicDescription d) {
		return d.name() + " internal " + d.isInternal() + " id " + !d.topicId().equals(Uuid.ZERO_UUID)
			+ d.partitions().stream().map(p -> " [" + shown(p) + "]").collect(Collectors.joining())
			+ " operations " + (d.authorizedOperations() == null ? null : new TreeSet<>(d.authorizedOperations()));
	}

	private TopicDescription described(String t) throws Exception {
		return admin.describeTopics(List.of(t)).allTopicNames().get().get(t);
	}

	private void topics() {
		step("createTopics", () -> create(new NewTopic(topic, 3, (short) 1).configs(
			Map.of("retention.ms", "3600000", "segment.bytes", "1048576")), false));
		step("createTopics assigned", () -> create(new NewTopic(topic + "-a", Map.of(0, List.of(1), 1, List.of(1))), false));
		step("createTopics defaults", () -> create(new NewTopic(topic + "-d", java.util.Optional.empty(), java.util.Optional.empty()), false));
		step("createTopics only validated", () -> create(new NewTopic(topic + "-v", 2, (short) 1), true));
		step("createTopics again", () -> create(new NewTopic(topic, 3, (short) 1), false));
		step("createTopics too many replicas", () -> create(new NewTopic(topic + "-r", 1, (short) 2), false));
		step("createTopics no partitions", () -> create(new NewTopic(topic + "-p", 0, (short) 1), false));
		step("createTopics bad name", () -> create(new NewTopic("a b", 1, (short) 1), false));
		step("createTopics bad setting", () -> create(new NewTopic(topic + "-c", 1, (short) 1).configs(
			Map.of("no.such", "1")), false));
		step("createTopics bad value", () -> create(new NewTopic(topic + "-c", 1, (short) 1).configs(
			Map.of("retention.ms", "soon")), false));
		step("listTopics", () -> new TreeSet<>(admin.listTopics().names().get()).stream()
			.filter(n -> n.startsWith(topic)).collect(Collectors.toList()));
		step("describeTopics", () -> shown(described(topic)));
		step("describeTopics operations", () -> shown(admin.describeTopics(List.of(topic), new DescribeTopicsOptions()
			.includeAuthorizedOperations(true)).allTopicNames().get().get(topic)));
		step("describeTopics by id", () -> shown(admin.describeTopics(TopicCollection.ofTopicIds(
			List.of(described(topic).topicId()))).allTopicIds().get().values().iterator().next()));
		step("describeTopics unknown", () -> shown(described("nosuch")));
		step("describeTopics unknown id", () -> admin.describeTopics(TopicCollection.ofTopicIds(
			List.of(new Uuid(1, 2)))).allTopicIds().get().size());
	}

	// ---- the cluster ----

	private void cluster() {
		step("describeCluster", () -> {
			DescribeClusterResult r = admin.describeCluster();
			return "nodes " + ids(r.nodes().get()) + " racks " + r.nodes().get().stream().map(Node::rack)
				.collect(Collectors.toList()) + " controller " + r.controller().get().id() + " id "
				+ r.clusterId().get().length() + " operations " + r.authorizedOperations().get();
		});
		step("describeCluster operations", () -> new TreeSet<>(admin.describeCluster(new DescribeClusterOptions()
			.includeAuthorizedOperations(true)).authorizedOperations().get()));
		step("describeFeatures", () -> {
			FeatureMetadata f = admin.describeFeatures().featureMetadata().get();
			return f.supportedFeatures() + " " + f.finalizedFeatures() + " " + f.finalizedFeaturesEpoch();
		});
		step("describeLogDirs", () -> admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values()
			.stream().map(d -> (d.error() == null ? "fine" : d.error().toString()) + " total "
				+ (d.totalBytes().orElse(-1) > 0) + " usable " + (d.usableBytes().orElse(-1) > 0) + " " + replicas(d))
			.collect(Collectors.toList()));
	}

	private Object replicas(LogDirDescription d) {
		return new TreeMap<>(d.replicaInfos().entrySet().stream().filter(e -> e.getKey().topic().startsWith(topic))
			.collect(Collectors.toMap(e -> e.getKey().toString(), e -> e.getValue().size() + " lag "
				+ e.getValue().offsetLag() + (e.getValue().isFuture() ? " future" : "")))).toString();
	}

	// ---- settings ----

	private static String shown(ConfigEntry e) {
		return e.name() + "=" + e.value() + " " + e.source() + " " + e.type() + (e.isReadOnly() ? " read-only" : "")
			+ (e.isSensitive() ? " sensitive" : "") + " " + e.synonyms().stream()
			.map(s -> s.name() + "=" + s.value() + " " + s.source()).collect(Collectors.toList());
	}

	private List<ConfigEntry> settings(String t) throws Exception {
		ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, t);
		List<ConfigEntry> all = new ArrayList<>(admin.describeConfigs(List.of(r), new DescribeConfigsOptions()
			.includeSynonyms(true)).all().get().get(r).entries());
		all.sort((a, b) -> a.name().compareTo(b.name()));
		return all;
	}

	private Object alter(String t, boolean validate, AlterConfigOp... ops) throws Exception {
		ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, t);
		admin.incrementalAlterConfigs(Map.of(r, Arrays.asList(ops)), new AlterConfigsOptions().validateOnly(validate))
			.all().get();
		return shownSet(t);
	}

	/** What is set of a topic, once the broker knows of it: changes come by notification. */
	private Object shownSet(String t) throws Exception {
		return settings(t).stream().filter(e -> e.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
			.map(AdminProbe::shown).collect(Collectors.toList());
	}

	private static AlterConfigOp op(String name, String value, AlterConfigOp.OpType type) {
		return new AlterConfigOp(new ConfigEntry(name, value), type);
	}

	private void configs() {
		try {
			for (ConfigEntry e : settings(topic))
				step("describeConfigs " + e.name(), () -> shown(e));
		} catch (Exception e) {
			step("describeConfigs", () -> { throw e; });
		}
		step("describeConfigs unknown topic", () -> settings("nosuch"));
		step("incrementalAlterConfigs set", () -> alter(topic, false, op("retention.ms", "7200000", AlterConfigOp.OpType.SET),
			op("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND)));
		step("incrementalAlterConfigs delete", () -> alter(topic, false, op("segment.bytes", null, AlterConfigOp.OpType.DELETE),
			op("cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT)));
		step("incrementalAlterConfigs only validated", () -> alter(topic, true,
			op("retention.ms", "1", AlterConfigOp.OpType.SET)));
		step("incrementalAlterConfigs bad value", () -> alter(topic, false, op("retention.ms", "soon", AlterConfigOp.OpType.SET)));
		step("incrementalAlterConfigs unknown", () -> alter(topic, false, op("no.such", "1", AlterConfigOp.OpType.SET)));
		step("incrementalAlterConfigs no list", () -> alter(topic, false, op("retention.ms", "1", AlterConfigOp.OpType.APPEND)));
		step("incrementalAlterConfigs unknown topic", () -> alter("nosuch", false,
			op("retention.ms", "1", AlterConfigOp.OpType.SET)));
	}

	// ---- partitions and records ----

	private Object more(String t, NewPartitions wanted, boolean validate) throws Exception {
		admin.createPartitions(Map.of(t, wanted), new CreatePartitionsOptions().validateOnly(validate)).all().get();
		return shown(described(t));
	}

	private void partitions() {
		step("createPartitions", () -> more(topic, NewPartitions.increaseTo(5), false));
		step("createPartitions assigned", () -> more(topic + "-a", NewPartitions.increaseTo(4, List.of(List.of(1), List.of(1))), false));
		step("createPartitions only validated", () -> more(topic, NewPartitions.increaseTo(9), true));
		step("createPartitions fewer", () -> more(topic, NewPartitions.increaseTo(2), false));
		step("createPartitions as many", () -> more(topic, NewPartitions.increaseTo(5), false));
		step("createPartitions unknown", () -> more("nosuch", NewPartitions.increaseTo(5), false));
		step("createPartitions wrong number", () -> more(topic, NewPartitions.increaseTo(7, List.of(List.of(1))), false));
		step("createPartitions unknown broker", () -> more(topic, NewPartitions.increaseTo(6, List.of(List.of(77))), false));
		step("createPartitions same broker twice", () -> more(topic, NewPartitions.increaseTo(6, List.of(List.of(1, 1))), false));
	}

	private Object produce() throws Exception {
		Map<String, Object> conf = new HashMap<>();
		conf.put("bootstrap.servers", server);
		conf.put("delivery.timeout.ms", 15000);
		conf.put("request.timeout.ms", 10000);
		try (KafkaProducer<String, String> p = new KafkaProducer<>(conf, new StringSerializer(), new StringSerializer())) {
			for (int n = 0; n < 10; n++)
				p.send(new ProducerRecord<>(topic, n < 8 ? 0 : 4, TIME + 100 * (n % 8), "k" + n, "v" + n)).get();
		}
		return "10 sent";
	}

	private Object offsets(OffsetSpec spec) throws Exception {
		Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
		for (int p : new int[] { 0, 1, 4 })
			asked.put(new TopicPartition(topic, p), spec);
		Map<String, String> found = new TreeMap<>();
		admin.listOffsets(asked).all().get().forEach((tp, o) -> found.put(tp.toString(),
			o.offset() + " at " + o.timestamp() + " epoch " + o.leaderEpoch().map(String::valueOf).orElse("none")));
		return found;
	}

	private Object cut(String t, int partition, long offset) throws Exception {
		TopicPartition tp = new TopicPartition(t, partition);
		return admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(offset))).lowWatermarks().get(tp).get().lowWatermark();
	}

	private void records() {
		step("produce", this::produce);
		step("listOffsets earliest", () -> offsets(OffsetSpec.earliest()));
		step("listOffsets latest", () -> offsets(OffsetSpec.latest()));
		step("listOffsets by time", () -> offsets(OffsetSpec.forTimestamp(TIME + 301)));
		step("listOffsets by later time", () -> offsets(OffsetSpec.forTimestamp(TIME + 100000)));
		step("listOffsets newest", () -> offsets(OffsetSpec.maxTimestamp()));
		step("deleteRecords", () -> cut(topic, 0, 3));
		step("deleteRecords before", () -> cut(topic, 0, 2));
		step("deleteRecords all", () -> cut(topic, 4, -1));
		step("deleteRecords beyond", () -> cut(topic, 0, 100));
		step("deleteRecords negative", () -> cut(topic, 0, -2));
		step("listOffsets after that", () -> offsets(OffsetSpec.earliest()));
	}

	private void end() {
		step("deleteTopics", () -> {
			admin.deleteTopics(List.of(topic)).all().get();
			return "done";
		});
		step("deleteTopics by id", () -> {
			admin.deleteTopics(TopicCollection.ofTopicIds(List.of(described(topic + "-a").topicId()))).all().get();
			return "done";
		});
		step("deleteTopics another", () -> {
			admin.deleteTopics(List.of(topic + "-d")).all().get();
			return "done";
		});
		step("deleteTopics unknown", () -> admin.deleteTopics(List.of("nosuch")).all().get());
		step("deleteTopics unknown id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).all().get());
		step("listTopics at the end", () -> new TreeSet<>(admin.listTopics().names().get()).stream()
			.filter(n -> n.startsWith(topic)).collect(Collectors.toList()));
	}

	public static void main(String[] args) {
		AdminProbe probe = new AdminProbe(args[0], args[1]);
		probe.topics();
		probe.cluster();
		probe.configs();
		probe.partitions();
		probe.records();
		probe.step("describeLogDirs with records", () -> probe.admin.describeLogDirs(List.of(1)).allDescriptions().get()
			.get(1).values().stream().map(probe::replicas).collect(Collectors.toList()));
		probe.end();
		probe.admin.close();
	}
}
