package kafka

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/internal/testkit/apachekafka"
)

// variable is unset, short or long: see the package's comment.
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

// wanted says whether the tests are asked for. Asked for where there is no Apache Kafka to be had, they fail.
func wanted(t *testing.T) bool {
	t.Helper()
	switch asked := os.Getenv(variable); asked {
	case "":
		t.Logf("nothing is tried against Apache Kafka: that takes %s=short or long", variable)
		return false
	case "short", "long":
	default:
		t.Fatalf("%s=%s: it takes short or long", variable, asked)
	}
	if err := apachekafka.Available(); err != nil {
		t.Fatal(err)
	}
	return true
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
