package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Replays carry the timestamps of long ago, which a broker's default retention of 7 days would drop.
func TestOldRecordsAreKeptForEver(t *testing.T) {
	s, err := Start(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"segment.bytes": kadm.StringPtr("1024")}, "old"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 { // several segments: only closed ones are ever dropped
		r := &kgo.Record{Topic: "old", Value: make([]byte, 400), Timestamp: time.Date(2024, 1, 5, 0, 0, i, 0, time.UTC)}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	s.cluster.ApplyRetention()
	starts, err := admin.ListStartOffsets(t.Context(), "old")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := starts.Lookup("old", 0); o.Offset != 0 || o.Err != nil {
		t.Errorf("the topic starts at offset %d (%v), want 0", o.Offset, o.Err)
	}
}
