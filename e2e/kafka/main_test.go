package kafka

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/testkit/apachekafka"
)

// variable is unset, required or long: see the package's comment.
const variable = "TIDEMILL_APACHE_KAFKA"

func long() bool { return os.Getenv(variable) == "long" }

// rounds is how often something is repeated.
func rounds(short, whenLong int) int {
	if long() {
		return whenLong
	}
	return short
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// available says whether there is an Apache Kafka to be had.
func available(t *testing.T) bool {
	t.Helper()
	err := apachekafka.Available()
	switch {
	case err == nil:
		return true
	case os.Getenv(variable) != "":
		t.Fatalf("%v (%s=%s)", err, variable, os.Getenv(variable))
	}
	t.Logf("%v: nothing is tried against it", err)
	return false
}

var shared struct {
	once    sync.Once
	cluster *apachekafka.Cluster
	err     error
}

// sharedBroker is one broker for all tests that leave it in peace.
func sharedBroker(t *testing.T) []string {
	t.Helper()
	shared.once.Do(func() {
		shared.cluster, shared.err = apachekafka.New(apachekafka.Options{Settings: map[string]string{
			"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
			"num.partitions": "6",
		}})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster.Addrs()
}
