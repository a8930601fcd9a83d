package cli

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
	"github.com/tidemill/tidemill/tasks/kafkasasl"
)

// client sets what a connection to the brokers needs. Files are read once, here.
func (c *Config) client() (func(*sarama.Config), error) {
	var t *tls.Config
	if c.TLSCA != "" || c.TLSCert != "" {
		t = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, usage("TIDEMILL_KAFKA_TLS_CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usage("TIDEMILL_KAFKA_TLS_CA: %s holds no PEM certificate", c.TLSCA)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, usage("TIDEMILL_KAFKA_TLS_CERT and TIDEMILL_KAFKA_TLS_KEY go together: set both or none")
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, usage("TIDEMILL_KAFKA_TLS_CERT: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	login := sarama.NewConfig()
	if c.SASLMechanism != "" {
		if err := kafkasasl.Configure(login, c.SASLMechanism, c.SASLUsername, c.SASLPassword); err != nil {
			return nil, usage("TIDEMILL_KAFKA_SASL_MECHANISM: %w", err)
		}
	}
	return func(s *sarama.Config) {
		s.ClientID = "tidemill"
		if t != nil {
			s.Net.TLS.Enable, s.Net.TLS.Config = true, t
		}
		s.Net.SASL = login.Net.SASL
	}, nil
}

// transform is what makes rows of the topic's records.
func (c *Config) transform() lake.Transform[payment.Row] {
	if c.SchemaFraming == "strip" {
		return ingest.UnframedPayments
	}
	return ingest.Payments
}

// saramaConfig is a client configuration of its own.
func saramaConfig(client func(*sarama.Config)) *sarama.Config {
	s := sarama.NewConfig()
	client(s)
	return s
}
