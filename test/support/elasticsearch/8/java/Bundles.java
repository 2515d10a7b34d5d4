import java.nio.file.Path;
import java.util.Set;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/** The modules in a folder, by this version's way to load them. */
class Bundles {
    static Set<PluginBundle> in(Path modules) {
        return PluginsLoader.loadModulesBundles(modules);
    }
}
