import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Collectors;

/** Usage: JarWriter CLASSES TARGET. For Java runtimes without the `jar` command. */
public class JarWriter {
    public static void main(String[] args) throws Exception {
        Path classes = Path.of(args[0]);
        List<Path> files;
        try (var all = Files.walk(classes)) {
            files = all.filter(Files::isRegularFile).sorted().collect(Collectors.toList());
        }
        try (OutputStream target = Files.newOutputStream(Path.of(args[1])); JarOutputStream jar = new JarOutputStream(target)) {
            for (Path file : files) {
                jar.putNextEntry(new JarEntry(classes.relativize(file).toString().replace('\\', '/')));
                Files.copy(file, jar);
                jar.closeEntry();
            }
        }
    }
}
