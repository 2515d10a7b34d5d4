import java.nio.file.Path;
import java.util.Set;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/** Loads the modules in a directory with this version's API. */
class Bundles {
    static Set<PluginBundle> in(Path modules) {
        return PluginsLoader.loadModulesBundles(modules);
    }
}
