package kafkasasl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms are the names that [Configure] knows.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// ErrMechanism says that a mechanism is none of [Mechanisms].
var ErrMechanism = errors.New("the SASL mechanism is not one of " + strings.Join(Mechanisms, ", "))

// Configure lets a client log in by the mechanism with the user's name and password. It errs with [ErrMechanism].
func Configure(c *sarama.Config, mechanism, user, password string) error {
	switch mechanism {
	case "PLAIN":
	case "SCRAM-SHA-256":
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &client{login: scram.Auth.AsSha256Mechanism} }
	case "SCRAM-SHA-512":
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &client{login: scram.Auth.AsSha512Mechanism} }
	default:
		return fmt.Errorf("%w: %q", ErrMechanism, mechanism)
	}
	c.Net.SASL.Enable, c.Net.SASL.Version = true, sarama.SASLHandshakeV1
	c.Net.SASL.Mechanism, c.Net.SASL.User, c.Net.SASL.Password = sarama.SASLMechanism(mechanism), user, password
	return nil
}

// client is one login by SCRAM, as sarama wants it: its first step has no challenge.
type client struct {
	login   func(scram.Auth) sasl.Mechanism
	session sasl.Session
	first   []byte
	done    bool
}

// Begin implements sarama.SCRAMClient.
func (c *client) Begin(user, password, authorization string) (err error) {
	mechanism := c.login(scram.Auth{User: user, Pass: password, Zid: authorization})
	c.session, c.first, err = mechanism.Authenticate(context.Background(), "")
	return err
}

// Step implements sarama.SCRAMClient.
func (c *client) Step(challenge string) (string, error) {
	if first := c.first; first != nil {
		c.first = nil
		return string(first), nil
	}
	done, answer, err := c.session.Challenge([]byte(challenge))
	c.done = done
	return string(answer), err
}

// Done implements sarama.SCRAMClient.
func (c *client) Done() bool { return c.done }
