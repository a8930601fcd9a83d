package kafkasasl

import (
	"errors"
	"testing"

	"github.com/IBM/sarama"
)

func TestConfigure(t *testing.T) {
	for _, m := range Mechanisms {
		c := sarama.NewConfig()
		if err := Configure(c, m, "user", "pass"); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil || string(c.Net.SASL.Mechanism) != m || !c.Net.SASL.Enable {
			t.Errorf("%s: %v, %+v", m, err, c.Net.SASL)
		}
	}
	if err := Configure(sarama.NewConfig(), "GSSAPI", "user", "pass"); !errors.Is(err, ErrMechanism) {
		t.Errorf("GSSAPI: %v, want ErrMechanism", err)
	}
}

// TestScram answers the example of RFC 7677 with another nonce, which is as far as a client gets without its server.
func TestScram(t *testing.T) {
	c := sarama.NewConfig()
	if err := Configure(c, "SCRAM-SHA-256", "user", "pencil"); err != nil {
		t.Fatal(err)
	}
	s := c.Net.SASL.SCRAMClientGeneratorFunc()
	if err := s.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	first, err := s.Step("")
	if err != nil || first[:9] != "n,,n=user" || s.Done() {
		t.Errorf("first message %q, %v", first, err)
	}
	if _, err := s.Step("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"); err == nil || s.Done() {
		t.Error("a server that does not know our nonce is believed")
	}
}
