import java.io.FileInputStream;
import java.io.InputStream;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.security.KeyStore;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Asks the trust manager that Java's TLS uses what it thinks of a chain.
 *
 * <p>Arguments come in pairs: {@code -root F}, {@code -issuer F} (any number, the leaf's first),
 * {@code -leaf F}, {@code -crl F} (any number), {@code -purpose server|client}, {@code -host NAME};
 * a single {@code -next} begins another chain. Prints {@code OK}, or {@code REFUSED:} and the reason,
 * on a line for each chain, and exits 0 either way; another exit code means that no verdict was
 * reached.
 */
public final class Judge {
    private final List<X509Certificate> chain = new ArrayList<>();
    private final List<Object> crls = new ArrayList<>();
    private X509Certificate root;
    private boolean server;
    private String host;

    public static void main(String[] args) throws Exception {
        List<String> words = List.of(args);
        for (int start = 0, end; start < words.size(); start = end + 1) {
            int next = words.subList(start, words.size()).indexOf("-next");
            end = next < 0 ? words.size() : start + next;
            String refusal = new Judge(words.subList(start, end)).refusal();
            System.out.println(refusal == null ? "OK" : "REFUSED: " + refusal);
        }
    }

    private Judge(List<String> words) throws Exception {
        List<X509Certificate> issuers = new ArrayList<>();
        for (int i = 0; i + 1 < words.size(); i += 2) {
            String value = words.get(i + 1);
            switch (words.get(i)) {
                case "-root" -> root = certificate(value);
                case "-leaf" -> chain.add(certificate(value));
                case "-issuer" -> issuers.add(certificate(value));
                case "-crl" -> crls.add(crl(value));
                case "-purpose" -> server = value.equals("server");
                case "-host" -> host = value;
                default -> throw new IllegalArgumentException(words.get(i));
            }
        }
        chain.addAll(issuers);
    }

    /** The reason to refuse the chain, or null. */
    private String refusal() throws Exception {
        X509ExtendedTrustManager manager = trustManager();
        X509Certificate[] presented = chain.toArray(new X509Certificate[0]);
        SSLEngine peer = new Peer(host);
        try {
            if (server) {
                manager.checkServerTrusted(presented, "UNKNOWN", peer);
            } else {
                manager.checkClientTrusted(presented, "UNKNOWN", peer);
            }
            return null;
        } catch (java.security.cert.CertificateException refused) {
            Throwable cause = refused;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return cause.toString().replace('\n', ' ');
        }
    }

    private X509ExtendedTrustManager trustManager() throws Exception {
        KeyStore anchors = KeyStore.getInstance(KeyStore.getDefaultType());
        anchors.load(null, null);
        anchors.setCertificateEntry("root", root);
        PKIXBuilderParameters parameters =
                new PKIXBuilderParameters(anchors, new X509CertSelector());
        parameters.setRevocationEnabled(!crls.isEmpty());
        if (!crls.isEmpty()) {
            parameters.addCertStore(
                    CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
            PKIXRevocationChecker checker =
                    (PKIXRevocationChecker)
                            CertPathBuilder.getInstance("PKIX").getRevocationChecker();
            checker.setOptions(
                    EnumSet.of(
                            PKIXRevocationChecker.Option.PREFER_CRLS,
                            PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(new CertPathTrustManagerParameters(parameters));
        return (X509ExtendedTrustManager) factory.getTrustManagers()[0];
    }

    private static X509Certificate certificate(String file) throws Exception {
        try (InputStream in = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static Object crl(String file) throws Exception {
        try (InputStream in = new FileInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCRL(in);
        }
    }

    /**
     * A connection that has got as far as the peer's certificates. The trust manager asks it only
     * for the peer's name, the protocol and the kind of name check.
     */
    private static final class Peer extends SSLEngine {
        private final String host;

        Peer(String host) {
            super(host, 443);
            this.host = host;
        }

        @Override
        public SSLSession getHandshakeSession() {
            return (SSLSession)
                    Proxy.newProxyInstance(
                            Judge.class.getClassLoader(),
                            new Class<?>[] {SSLSession.class},
                            (proxy, method, args) ->
                                    switch (method.getName()) {
                                        case "getPeerHost" -> host;
                                        case "getProtocol" -> "TLSv1.3";
                                        default -> throw new IllegalStateException(
                                                method.getName());
                                    });
        }

        @Override
        public SSLParameters getSSLParameters() {
            SSLParameters parameters = new SSLParameters();
            parameters.setEndpointIdentificationAlgorithm(host == null ? "" : "HTTPS");
            return parameters;
        }

        @Override
        public SSLSession getSession() {
            return getHandshakeSession();
        }

        @Override
        public SSLEngineResult wrap(ByteBuffer[] sources, int offset, int length, ByteBuffer to) {
            throw new IllegalStateException("wrap");
        }

        @Override
        public SSLEngineResult unwrap(ByteBuffer from, ByteBuffer[] to, int offset, int length) {
            throw new IllegalStateException("unwrap");
        }

        @Override
        public Runnable getDelegatedTask() {
            return null;
        }

        @Override
        public void closeInbound() {}

        @Override
        public boolean isInboundDone() {
            return false;
        }

        @Override
        public void closeOutbound() {}

        @Override
        public boolean isOutboundDone() {
            return false;
        }

        @Override
        public String[] getSupportedCipherSuites() {
            return new String[0];
        }

        @Override
        public String[] getEnabledCipherSuites() {
            return new String[0];
        }

        @Override
        public void setEnabledCipherSuites(String[] suites) {}

        @Override
        public String[] getSupportedProtocols() {
            return new String[] {"TLSv1.3"};
        }

        @Override
        public String[] getEnabledProtocols() {
            return new String[] {"TLSv1.3"};
        }

        @Override
        public void setEnabledProtocols(String[] protocols) {}

        @Override
        public void beginHandshake() {}

        @Override
        public SSLEngineResult.HandshakeStatus getHandshakeStatus() {
            return SSLEngineResult.HandshakeStatus.NEED_UNWRAP;
        }

        @Override
        public void setUseClientMode(boolean mode) {}

        @Override
        public boolean getUseClientMode() {
            return true;
        }

        @Override
        public void setNeedClientAuth(boolean need) {}

        @Override
        public boolean getNeedClientAuth() {
            return false;
        }

        @Override
        public void setWantClientAuth(boolean want) {}

        @Override
        public boolean getWantClientAuth() {
            return false;
        }

        @Override
        public void setEnableSessionCreation(boolean flag) {}

        @Override
        public boolean getEnableSessionCreation() {
            return true;
        }
    }
}
