import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Makes one connection with Java's TLS and prints what the server says.
 *
 * <p>Arguments come in pairs: {@code -port N} on 127.0.0.1, {@code -name HOST} that the server must
 * have, {@code -root F}, and {@code -p12 F} with {@code -password P} unless the client is to have no
 * certificate. Another exit code than 0 means that nothing was answered; the reason is on standard
 * error.
 */
public final class Client {
    /** No server here takes long; one that hangs fails the test instead of blocking it. */
    private static final int PATIENCE_MILLISECONDS = 60_000;

    private final Map<String, String> words = new HashMap<>();

    public static void main(String[] args) throws Exception {
        Client client = new Client();
        for (int i = 0; i + 1 < args.length; i += 2) {
            client.words.put(args[i], args[i + 1]);
        }
        try {
            byte[] answer = client.ask();
            if (answer.length > 0) {
                System.out.write(answer);
                System.out.flush();
                return;
            }
            System.err.println("closed without an answer");
        } catch (java.io.IOException refused) {
            System.err.println(refused);
        }
        System.exit(1);
    }

    private byte[] ask() throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(identity(), anchors().getTrustManagers(), null);
        String name = words.get("-name");
        int port = Integer.parseInt(words.get("-port"));
        Socket plain = new Socket();
        plain.connect(new InetSocketAddress("127.0.0.1", port), PATIENCE_MILLISECONDS);
        plain.setSoTimeout(PATIENCE_MILLISECONDS);
        try (SSLSocket socket =
                (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            return socket.getInputStream().readAllBytes();
        }
    }

    private KeyManager[] identity() throws Exception {
        if (!words.containsKey("-p12")) {
            return new KeyManager[0];
        }
        char[] password = words.get("-password").toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(words.get("-p12"))) {
            store.load(in, password);
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
        factory.init(store, password);
        return factory.getKeyManagers();
    }

    private TrustManagerFactory anchors() throws Exception {
        KeyStore anchors = KeyStore.getInstance(KeyStore.getDefaultType());
        anchors.load(null, null);
        try (InputStream in = new FileInputStream(words.get("-root"))) {
            CertificateFactory reader = CertificateFactory.getInstance("X.509");
            anchors.setCertificateEntry("root", reader.generateCertificate(in));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(anchors);
        return factory;
    }
}
