// Judge asks Go's crypto/x509 what it thinks of a chain.
//
// Flags: -root F, -leaf F, -issuer F (any number), -crl F (any number), -purpose server|client,
// -host NAME. It prints OK, or REFUSED: and the reason, and exits 0 either way; another exit code
// means that no verdict was reached.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// files is a flag that may be given many times.
type files []string

func (f *files) String() string     { return fmt.Sprint([]string(*f)) }
func (f *files) Set(v string) error { *f = append(*f, v); return nil }

func main() {
	var issuers, crls files
	root := flag.String("root", "", "trust anchor")
	leaf := flag.String("leaf", "", "end-entity certificate")
	purpose := flag.String("purpose", "client", "server or client")
	host := flag.String("host", "", "DNS name that the leaf must have")
	flag.Var(&issuers, "issuer", "intermediate certificate")
	flag.Var(&crls, "crl", "certificate revocation list")
	flag.Parse()

	options := x509.VerifyOptions{
		DNSName:       *host,
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if *purpose == "server" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	options.Roots.AddCert(certificate(*root))
	for _, file := range issuers {
		options.Intermediates.AddCert(certificate(file))
	}
	var lists []*x509.RevocationList
	for _, file := range crls {
		lists = append(lists, revocationList(file))
	}
	if err := judge(certificate(*leaf), options, lists); err != nil {
		fmt.Println("REFUSED:", err)
		return
	}
	fmt.Println("OK")
}

// judge verifies the leaf, and with lists at hand asks for one of every issuer in the chain.
func judge(leaf *x509.Certificate, o x509.VerifyOptions, lists []*x509.RevocationList) error {
	chains, err := leaf.Verify(o)
	if err != nil || len(lists) == 0 {
		return err
	}
	for _, chain := range chains {
		if err = unrevoked(chain, lists); err == nil {
			return nil
		}
	}
	return err
}

// unrevoked says whether every certificate below the root is on a current list of its issuer's
// that does not name it.
func unrevoked(chain []*x509.Certificate, lists []*x509.RevocationList) error {
	for i, subject := range chain[:len(chain)-1] {
		list, err := currentList(chain[i+1], lists)
		if err != nil {
			return fmt.Errorf("%s: %w", subject.Subject, err)
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(subject.SerialNumber) == 0 {
				return fmt.Errorf("%s: revoked, reason %d", subject.Subject, entry.ReasonCode)
			}
		}
	}
	return nil
}

// currentList finds the issuer's list and checks its signature and its dates.
func currentList(
	issuer *x509.Certificate, lists []*x509.RevocationList,
) (*x509.RevocationList, error) {
	now := time.Now()
	for _, list := range lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if err := list.CheckSignatureFrom(issuer); err != nil {
			return nil, fmt.Errorf("revocation list of %s: %w", issuer.Subject, err)
		}
		if now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
			return nil, errors.New("revocation list is not current")
		}
		return list, nil
	}
	return nil, fmt.Errorf("no revocation list of %s", issuer.Subject)
}

func certificate(file string) *x509.Certificate {
	parsed, err := x509.ParseCertificate(block(file))
	unless(file, err)
	return parsed
}

func revocationList(file string) *x509.RevocationList {
	parsed, err := x509.ParseRevocationList(block(file))
	unless(file, err)
	return parsed
}

// block returns the contents of the file's first PEM block.
func block(file string) []byte {
	text, err := os.ReadFile(file)
	unless(file, err)
	first, _ := pem.Decode(text)
	if first == nil {
		unless(file, errors.New("no PEM block"))
	}
	return first.Bytes
}

// unless ends the program without a verdict if there is an error.
func unless(file string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
		os.Exit(2)
	}
}
