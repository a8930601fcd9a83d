package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/internal/testkit/apachekafka"
	"github.com/tidemill/tidemill/tasks/ingest"
	"github.com/tidemill/tidemill/tasks/kafkasasl"
)

// TestSecure: TLS with certificates on both sides, and each SASL mechanism; a wrong password and an authority that is not known say so.
func TestSecure(t *testing.T) {
	if !wanted(t) {
		return
	}
	c := apachekafka.Start(t, apachekafka.Options{Secure: true})
	secure, _ := c.Secure()
	w := newWorld(t, c.Addrs(), 2)
	w.addrs = secure.Addrs // of our own clients
	w.produce(payments(2, 0, 20)...)
	for i, mechanism := range kafkasasl.Mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			here := *w
			here.t, here.root = t, t.TempDir()
			l := here.lake()
			cfg := here.config(l)
			cfg.Sarama, cfg.Group = clientConfig(t, secure, mechanism), mechanism
			r := here.run(cfg)
			here.produce(payments(2, 20*(i+1), 20)...)
			eventually(t, "the lake has caught up", func() bool {
				d, err := ingest.Lag(t.Context(), here.addrs, here.topic, cfg.Sarama, l)
				if err != nil {
					t.Fatal(err)
				}
				return d.CaughtUp()
			})
			r.stop()
			here.addrs = c.Addrs()
			if got := here.check(l); got.report.Rows != int64(20*(i+2)) {
				t.Errorf("%d rows, want %d", got.report.Rows, 20*(i+2))
			}
		})
	}
	for what, spoil := range map[string]func(*sarama.Config){
		"authentication": func(s *sarama.Config) { s.Net.SASL.Password = "wrong" },
		"certificate":    func(s *sarama.Config) { s.Net.TLS.Config.RootCAs = x509.NewCertPool() },
	} {
		t.Run("wrong "+what, func(t *testing.T) {
			cfg := w.config(w.lake())
			cfg.Sarama = clientConfig(t, secure, "SCRAM-SHA-512")
			cfg.Sarama.Metadata.Retry.Max = 1
			spoil(cfg.Sarama)
			in, err := ingest.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = in.Run(t.Context())
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), what) {
				t.Errorf("Run: %v, want an error that speaks of %s", err, what)
			}
			if err != nil && strings.Contains(err.Error(), secure.Password) {
				t.Error("the error tells the password")
			}
		})
	}
}

func clientConfig(t *testing.T, s apachekafka.Secure, mechanism string) *sarama.Config {
	t.Helper()
	ca, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := sarama.NewConfig()
	c.Net.TLS.Enable, c.Net.TLS.Config = true, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}}
	if !c.Net.TLS.Config.RootCAs.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in the authority's file")
	}
	if err := kafkasasl.Configure(c, mechanism, s.User, s.Password); err != nil {
		t.Fatal(err)
	}
	return c
}
