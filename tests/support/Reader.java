// Reads a ZIP with the Java class library and prints a line for each file: hex(name) size crc32.
// Usage: java Reader.java file|stream ARCHIVE

import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HexFormat;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

public class Reader {
    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("file")) {
            try (ZipFile file = new ZipFile(arguments[1])) {
                for (ZipEntry entry : Collections.list(file.entries())) {
                    try (InputStream bytes = file.getInputStream(entry)) {
                        print(entry, bytes);
                    }
                }
            }
        } else {
            // A stream that cannot seek, so that only local headers and descriptors are seen.
            InputStream bytes = new BufferedInputStream(new FileInputStream(arguments[1]), 1 << 16);
            try (ZipInputStream stream = new ZipInputStream(bytes)) {
                for (ZipEntry entry = stream.getNextEntry(); entry != null; entry = stream.getNextEntry()) {
                    print(entry, stream);
                }
            }
        }
    }

    private static void print(ZipEntry entry, InputStream bytes) throws IOException {
        CRC32 crc = new CRC32();
        byte[] buffer = new byte[1 << 16];
        long size = 0;
        for (int read = bytes.read(buffer); read != -1; read = bytes.read(buffer)) {
            crc.update(buffer, 0, read);
            size += read;
        }
        // ZipFile does not compare them.
        if (entry.getCrc() != -1 && entry.getCrc() != crc.getValue()) {
            throw new IOException(entry.getName() + ": CRC " + crc.getValue() + ", claimed " + entry.getCrc());
        }
        if (entry.getSize() != -1 && entry.getSize() != size) {
            throw new IOException(entry.getName() + ": size " + size + ", claimed " + entry.getSize());
        }
        if (!entry.isDirectory()) {
            String name = HexFormat.of().formatHex(entry.getName().getBytes(StandardCharsets.UTF_8));
            System.out.printf("%s %d %08x%n", name, size, crc.getValue());
        }
    }
}
