package cli

import (
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

func TestKafkaLogin(t *testing.T) {
	for mechanism, want := range map[string]sarama.SASLMechanism{"PLAIN": sarama.SASLTypePlaintext, "SCRAM-SHA-256": sarama.SASLTypeSCRAMSHA256, "SCRAM-SHA-512": sarama.SASLTypeSCRAMSHA512, "": ""} {
		c := &Config{SASLMechanism: mechanism, SASLUsername: "ann", SASLPassword: "secret"}
		client, err := c.client()
		if err != nil {
			t.Fatalf("%q: %v", mechanism, err)
		}
		s := saramaConfig(client)
		if got := s.Net.SASL.Mechanism; got != want || s.Net.SASL.Enable != (mechanism != "") {
			t.Errorf("%q: the mechanism is %q, enabled: %v", mechanism, got, s.Net.SASL.Enable)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("%q: %v", mechanism, err)
		}
	}
	_, err := (&Config{SASLMechanism: "GSSAPI", SASLPassword: "secret"}).client()
	if err == nil || !strings.Contains(err.Error(), "TIDEMILL_KAFKA_SASL_MECHANISM") || !strings.Contains(err.Error(), "SCRAM-SHA-512") || strings.Contains(err.Error(), "secret") {
		t.Errorf("an unknown mechanism: %v; want the variable and what there is, without the password", err)
	}
}
