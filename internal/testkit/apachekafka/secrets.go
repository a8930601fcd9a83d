package apachekafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Secure is what a client of the secure listener needs: TLS with a certificate of its own, and SASL by SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN.
type Secure struct {
	Addrs          []string // of all brokers, host:port
	CA, Cert, Key  string   // PEM files
	User, Password string
}

// Secure returns how to reach the secure listener, or ok false if the cluster was started without.
func (c *Cluster) Secure() (s Secure, ok bool) {
	if c.secure == nil {
		return Secure{}, false
	}
	s = c.secure.client
	for _, b := range c.brokers {
		s.Addrs = append(s.Addrs, address(b.node.ports.client))
	}
	return s, true
}

// secrets are a cluster's certificates, made for it, and its one user.
type secrets struct {
	client   Secure
	keystore string // PEM file of the brokers' key and certificate
}

func newSecrets(dir string) (*secrets, error) {
	s := &secrets{client: Secure{
		CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "client.pem"), Key: filepath.Join(dir, "client.key"),
		User: "tidemill", Password: "pass " + clusterID(),
	}, keystore: filepath.Join(dir, "broker.pem")}
	ca, caKey, err := certificate(1, nil, nil)
	if err != nil {
		return nil, err
	}
	broker, brokerKey, err := certificate(2, ca, caKey)
	if err != nil {
		return nil, err
	}
	client, clientKey, err := certificate(3, ca, caKey)
	if err != nil {
		return nil, err
	}
	for name, parts := range map[string][][]byte{
		s.client.CA: {pemCertificate(ca)}, s.client.Cert: {pemCertificate(client)}, s.client.Key: {pemKey(clientKey)},
		s.keystore: {pemKey(brokerKey), pemCertificate(broker), pemCertificate(ca)},
	} {
		var text []byte
		for _, p := range parts {
			text = append(text, p...)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return nil, fmt.Errorf("write certificates: %w", err)
		}
	}
	return s, nil
}

// certificate makes one, signed by its parent or, without one, by itself as an authority.
func certificate(serial int64, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprintf("tidemill-test-%d", serial)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
	}
	if parent == nil {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.IPAddresses = true, x509.KeyUsageCertSign, nil, nil
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	c, err = x509.ParseCertificate(der)
	return c, key, err
}

func pemCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func pemKey(k *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err) // it is one of ours
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// properties are those of server.properties.
func (s *secrets) properties() map[string]string {
	const listener = "listener.name.client."
	return map[string]string{
		listener + "ssl.keystore.type":              "PEM",
		listener + "ssl.keystore.location":          s.keystore,
		listener + "ssl.truststore.type":            "PEM",
		listener + "ssl.truststore.location":        s.client.CA,
		listener + "ssl.client.auth":                "required",
		listener + "sasl.enabled.mechanisms":        "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
		listener + "scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		listener + "scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		listener + "plain.sasl.jaas.config": fmt.Sprintf("org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;",
			s.client.User, s.client.Password),
	}
}

// scramUsers are arguments of the storage tool.
func (s *secrets) scramUsers() []string {
	var args []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%q,password=%q]", mechanism, s.client.User, s.client.Password))
	}
	return args
}
