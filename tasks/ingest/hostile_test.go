package ingest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestHostileRecords: values that are large, deep or of the ends of time are
// each a row or a dead letter with its reason, and hold nothing up.
func TestHostileRecords(t *testing.T) {
	w := newWorld(t, 0)
	large := "8388608"
	if _, err := w.admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"max.message.bytes": &large}, topic); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	with := func(extra string) []byte {
		return []byte(strings.Replace(string(paymentRecord(1, 0, at).Value), "{", "{"+extra+",", 1))
	}
	set := func(from, to string) []byte {
		return bytes.Replace(paymentRecord(1, 0, at).Value, []byte(from), []byte(to), 1)
	}
	const eventTime = `"event_time":"2024-01-05T00:00:00.000Z"`
	cases := []struct {
		name  string
		value []byte
		time  time.Time
		field string // of the dead letter; "" is a row
	}{
		{"1 MB of text", with(`"note":"` + strings.Repeat("x", 1<<20) + `"`), at, ""},
		{"larger than the first fetch, and it does not compress", with(`"note":"` + noise(3<<20) + `"`), at, ""},
		{"10,000 deep", with(`"note":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000)), at, "note"},
		{"10,000 deep and open", with(`"note":` + strings.Repeat(`{"a":`, 10000)), at, "note"},
		{"a number of 100,000 digits", set(`"amount":"1.25"`, `"amount":1`+strings.Repeat("0", 100_000)), at, "amount"},
		{"an exponent beyond all bounds", set(`"amount":"1.25"`, `"amount":1e999999999`), at, "amount"},
		{"an unknown number of 100,000 digits", with(`"note":1` + strings.Repeat("0", 100_000)), at, ""},
		{"year 1", set(eventTime, `"event_time":"0001-01-01T00:00:00Z"`), at, "event_time"},
		{"year 9999", set(eventTime, `"event_time":"9999-12-31T23:59:59.999999Z"`), at, ""},
		{"after year 9999", set(eventTime, `"event_time":"9999-12-31T23:59:59-01:00"`), at, "event_time"},
		{"a record of year 9999", with(`"note":1`), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), "kafka_timestamp"},
		{"a plain one, after all of them", paymentRecord(2, 0, at).Value, at, ""},
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, c := range cases {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Value: c.value, Timestamp: c.time}).FirstErr(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	w.auditClean(l)
	if k := w.compare(l); !k.Clean() || k.Compared != int64(len(cases)) {
		t.Errorf("compared with Kafka: %d of %d, %q", k.Compared, len(cases), k.Problems)
	}
	letters, err := l.DeadLetters(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[int64]string{}
	for _, d := range letters {
		fields[d.Offset] = d.Field
	}
	for i, c := range cases {
		if got := fields[int64(i)]; got != c.field {
			t.Errorf("%s: a dead letter of %q, want %q", c.name, got, c.field)
		}
	}
}

// noise is text of n letters in which no two places are much alike.
func noise(n int) string {
	text, x := make([]byte, n), uint32(1)
	for i := range text {
		x = x*1664525 + 1013904223
		text[i] = 'a' + byte(x>>24)%26
	}
	return string(text)
}
