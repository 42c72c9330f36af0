import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * One Flink SQL statement, in a cluster inside this process, that keeps an index in step with a topic of Canal's flat JSON.
 *
 * Arguments: brokers, topic, consumer group, URL of Elasticsearch, index, directory for checkpoints.
 */
public final class CanalToIndex {
    private static final String COLUMNS = """
            (id BIGINT, order_no STRING, buyer STRING, status TINYINT, amount DECIMAL(12, 2), version BIGINT, note STRING,
             created_at TIMESTAMP(0), updated_at TIMESTAMP(0), PRIMARY KEY (id) NOT ENFORCED)""";

    private CanalToIndex() {
    }

    public static void main(String[] args) throws Exception {
        String brokers = args[0], topic = args[1], group = args[2], url = args[3], index = args[4], checkpoints = args[5];
        var environment = StreamExecutionEnvironment.getExecutionEnvironment(settings(checkpoints));
        var tables = StreamTableEnvironment.create(environment);
        tables.executeSql(table("changes", Map.of(
                "connector", "kafka",
                "properties.bootstrap.servers", brokers,
                "properties.group.id", group,
                "topic", topic,
                "scan.startup.mode", "earliest-offset",
                "format", "canal-json",
                "canal-json.database.include", "^bench$",
                "canal-json.table.include", "^orders$")));
        tables.executeSql(table("documents", Map.of(
                "connector", "elasticsearch-7",
                "hosts", url,
                "index", index,
                "sink.bulk-flush.max-actions", "1000",
                "sink.bulk-flush.max-size", "10mb",
                "sink.bulk-flush.interval", "1s",
                "sink.flush-on-checkpoint", "true")));
        tables.executeSql("INSERT INTO documents SELECT * FROM changes").await();
    }

    /** Two subtasks, a checkpoint every 3 seconds; the job ends with its first failure instead of starting again. */
    private static Configuration settings(String checkpoints) {
        return Configuration.fromMap(Map.of(
                "parallelism.default", "2",
                "taskmanager.numberOfTaskSlots", "2",
                "execution.checkpointing.interval", "3 s",
                "execution.checkpointing.mode", "EXACTLY_ONCE",
                "execution.checkpointing.storage", "filesystem",
                "execution.checkpointing.dir", "file://" + checkpoints,
                "restart-strategy.type", "none"));
    }

    private static String table(String name, Map<String, String> options) {
        var list = new StringBuilder();
        options.forEach((key, value) -> list.append(list.isEmpty() ? "" : ", ").append(quoted(key)).append(" = ").append(quoted(value)));
        return "CREATE TABLE " + name + " " + COLUMNS + " WITH (" + list + ")";
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
