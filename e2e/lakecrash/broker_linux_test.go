package lakecrash

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemill/tidemill/internal/testkit/apachekafka"
)

// inMemory is a broker that starts at once.
func inMemory(t *testing.T) (addrs []string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		join := req.(*kmsg.JoinGroupRequest)                    //nolint:forcetypeassert // by its key
		join.RebalanceTimeoutMillis = join.SessionTimeoutMillis // this broker waits so long for a member that died as it joined, Kafka as long as a session
		return nil, nil, false
	})
	return c.ListenAddrs()
}

// apacheKafka is a broker of Apache Kafka itself.
func apacheKafka(t *testing.T) (addrs []string) {
	t.Helper()
	if err := apachekafka.Available(); err != nil {
		t.Fatal(err)
	}
	return apachekafka.Start(t, apachekafka.Options{}).Addrs()
}
