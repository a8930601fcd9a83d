package testkit

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker returns the addresses of a Kafka-protocol broker of the test's own, in memory, that ends with the test. It
// makes no topic by itself; a topic made without a number of partitions gets six.
func Broker(t testing.TB) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(6))
	if err != nil {
		t.Fatalf("testkit: start broker: %v", err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}
