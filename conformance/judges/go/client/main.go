// Client makes one connection with Go's crypto/tls and prints what the server says.
//
// Flags: -port N on 127.0.0.1, -name HOST that the server must have, -root F, and -cert F with -key F
// unless the client is to have no certificate. Another exit code than 0 means that nothing was
// answered; the reason is on standard error.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// No server here takes long; one that hangs fails the test instead of blocking it.
const patience = 60 * time.Second

func main() {
	port := flag.String("port", "", "port on 127.0.0.1")
	name := flag.String("name", "", "DNS name that the server must have")
	root := flag.String("root", "", "trust anchor")
	cert := flag.String("cert", "", "the client's chain")
	key := flag.String("key", "", "the client's key")
	flag.Parse()
	answer, err := ask(net.JoinHostPort("127.0.0.1", *port), *name, *root, *cert, *key)
	if err == nil && len(answer) == 0 {
		err = errors.New("closed without an answer")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(string(answer))
}

func ask(address, name, root, cert, key string) ([]byte, error) {
	pem, err := os.ReadFile(root)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: name, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("no trust anchor in " + root)
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return io.ReadAll(connection)
}
