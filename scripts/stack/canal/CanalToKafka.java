import com.alibaba.otter.canal.connector.core.spi.CanalMQProducer;
import com.alibaba.otter.canal.connector.kafka.producer.CanalKafkaProducer;
import com.alibaba.otter.canal.instance.core.CanalMQConfig;
import com.alibaba.otter.canal.instance.manager.CanalInstanceWithManager;
import com.alibaba.otter.canal.instance.manager.model.Canal;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter.DataSourcing;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter.IndexMode;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter.MetaMode;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter.SourcingType;
import com.alibaba.otter.canal.instance.manager.model.CanalParameter.StorageMode;
import com.alibaba.otter.canal.server.CanalMQStarter;
import com.alibaba.otter.canal.server.embedded.CanalServerWithEmbedded;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

/**
 * Runs Canal's server for one destination and sends its changes to Kafka as flat JSON. Maven has Canal's
 * libraries but not its launcher; this is the part of the launcher that one destination needs.
 *
 * The properties file holds Canal's own keys (canal.*, kafka.*) and ours (stack.*).
 */
public final class CanalToKafka {
    private final Properties properties = new Properties();

    private CanalToKafka(Path file) throws Exception {
        try (var reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
    }

    public static void main(String[] args) throws Exception {
        new CanalToKafka(Path.of(args[0])).run();
    }

    private void run() throws Exception {
        String destination = property("destination");
        // Flat JSON is made from parsed entries, so they are kept parsed.
        System.setProperty("canal.instance.memory.rawEntry", "false");

        CanalMQProducer producer = new CanalKafkaProducer();
        producer.init(properties);

        CanalServerWithEmbedded server = CanalServerWithEmbedded.instance();
        server.setCanalInstanceGenerator(name -> new RoutedInstance(description(name), property("filter"), route()));
        server.start();
        server.start(destination);
        new CanalMQStarter(producer).start(destination);

        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(destination); // writes the position to start from next time
            server.stop();
        }));
        new CountDownLatch(1).await();
    }

    /** An instance that knows its topic; the class of the library has no setter for it. */
    private static final class RoutedInstance extends CanalInstanceWithManager {
        RoutedInstance(Canal canal, String filter, CanalMQConfig route) {
            super(canal, filter);
            mqConfig = route;
        }
    }

    private Canal description(String destination) {
        var database = new InetSocketAddress(property("host"), Integer.parseInt(property("port")));
        var parameter = new CanalParameter();
        parameter.setCanalId(1L);
        parameter.setSlaveId(Long.valueOf(property("slaveId")));
        parameter.setSourcingType(SourcingType.MYSQL);
        parameter.setGroupDbAddresses(List.of(List.of(new DataSourcing(SourcingType.MYSQL, database))));
        parameter.setDbUsername(property("user"));
        parameter.setDbPassword(property("password"));
        parameter.setDefaultDatabaseName("");
        parameter.setConnectionCharset("UTF-8");
        parameter.setBlackFilter("mysql\\..*");
        parameter.setDataDir(property("dataDirectory"));
        parameter.setMetaMode(MetaMode.LOCAL_FILE);
        parameter.setIndexMode(IndexMode.MEMORY_META_FAILBACK);
        parameter.setStorageMode(StorageMode.MEMORY);
        parameter.setMemoryStorageRawEntry(false);
        parameter.setDetectingEnable(false);
        parameter.setGtidEnable(false);
        // Without the history of table structures a table is looked up in the database when its rows are parsed.
        parameter.setTsdbEnable(false);
        parameter.setParallel(true);

        var canal = new Canal();
        canal.setId(1L);
        canal.setName(destination);
        canal.setCanalParameter(parameter);
        return canal;
    }

    private CanalMQConfig route() {
        var route = new CanalMQConfig();
        route.setTopic(property("topic"));
        int partitions = Integer.parseInt(property("partitions"));
        if (partitions == 1) {
            route.setPartition(0);
        } else {
            route.setPartitionsNum(partitions);
            route.setPartitionHash(property("partitionHash"));
        }
        return route;
    }

    private String property(String name) {
        String value = properties.getProperty("stack." + name);
        if (value == null) throw new IllegalArgumentException("stack." + name + " is missing");
        return value;
    }
}
