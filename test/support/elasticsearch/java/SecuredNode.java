import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.KeyStoreWrapper;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.core.IOUtils;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One real Elasticsearch node with security enabled, for tests. It creates the Node directly instead of with
 * Elasticsearch's main class: without bootstrap checks, the rejection of root, and entitlements.
 *
 * Usage: SecuredNode MODULES HOME [setting=value ...], with the password of `elastic` in $ELASTIC_PASSWORD.
 * Prints `ready PORT` once logins work. Ends on SIGTERM, and when stdin closes because the parent process has ended; then it
 * removes HOME if -Dtemporary=true is set.
 */
public class SecuredNode {
    private static final String NAME = "node-1";
    private static final TimeValue READY_WITHIN = TimeValue.timeValueSeconds(60);
    private static volatile int status;
    private static volatile Path leftover;

    public static void main(String[] args) {
        // Elasticsearch's logging replaces both.
        PrintStream out = System.out;
        PrintStream err = System.err;
        InputStream in = System.in;
        try {
            exitAtEndOf(in, Path.of(args[1]));
            Node node = new Node(environment(Path.of(args[1]), args), PluginsLoader.createPluginsLoader(
                Bundles.in(Path.of(args[0])),
                Set.of(),
                Map.of(),
                false)); // the server comes from the class path, not from a Java module
            Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
            node.start();
            awaitSecurity(node);
            out.println("ready " + node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort());
            Thread.currentThread().join();
        } catch (Throwable failure) {
            failure.printStackTrace(err);
            status = 1;
            System.exit(status);
        }
    }

    private static Environment environment(Path home, String[] args) throws Exception {
        // Like `elasticsearch-keystore add bootstrap.password`.
        KeyStoreWrapper keystore = KeyStoreWrapper.create();
        keystore.setString("bootstrap.password", System.getenv("ELASTIC_PASSWORD").toCharArray());

        Settings.Builder settings = Settings.builder()
            .put("path.home", home)
            .put("cluster.name", "elastauth-test")
            .put("node.name", NAME)
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", 0)
            .put("transport.port", 0)
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("xpack.license.self_generated.type", "basic")
            .put("xpack.security.enabled", true);
        for (int i = 2; i < args.length; i++) {
            String[] setting = args[i].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        settings.setSecureSettings(keystore);

        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), home.resolve("config"), () -> NAME);
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName(NAME);
        LogConfigurator.configure(environment, false); // reads HOME/config/log4j2.properties
        return environment;
    }

    /** A new node creates the .security index for the built-in roles; until its shard is active, every login gets 401. */
    private static void awaitSecurity(Node node) {
        var cluster = node.client().admin().cluster();
        var security = cluster.prepareHealth(READY_WITHIN, ".security-7").setTimeout(READY_WITHIN).setWaitForActiveShards(1).get();
        var all = cluster.prepareHealth(READY_WITHIN).setTimeout(READY_WITHIN)
            .setWaitForYellowStatus().setWaitForNoInitializingShards(true).get();
        if (security.isTimedOut() || all.isTimedOut()) {
            throw new IllegalStateException("the .security index was not active within " + READY_WITHIN);
        }
    }

    private static void exitAtEndOf(InputStream in, Path home) {
        Thread watcher = new Thread(() -> {
            try {
                in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException closed) {
                // handled like the end of stdin
            }
            leftover = Boolean.getBoolean("temporary") ? home : null;
            System.exit(0);
        }, "stdin");
        watcher.setDaemon(true);
        watcher.start();
    }

    private static void close(Node node) {
        try {
            node.close();
            node.awaitClose(20, TimeUnit.SECONDS);
            if (leftover != null) {
                IOUtils.rm(leftover);
            }
        } catch (Throwable failure) {
            status = 1;
        }
        Runtime.getRuntime().halt(status); // the exit code after SIGTERM would be 143
    }
}
