package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// lakeOf puts two payments and a record that is none on a topic, and into a lake as transform makes them. It returns the
// environment of commands that look at it.
func lakeOf(t *testing.T, transform lake.Transform[payment.Row]) map[string]string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	brokers, root, ctx := testkit.Broker(t), t.TempDir(), t.Context()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("transactions"))
	must(err)
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, "transactions")
	must(err)
	at := time.Date(2024, 1, 5, 10, 0, 0, 0, time.UTC)
	for _, value := range []string{onePayment("0001"), "not JSON", onePayment("0002")} {
		must(client.ProduceSync(ctx, &kgo.Record{Value: []byte(value), Timestamp: at}).FirstErr())
	}
	l, err := lake.Open(root, "transactions")
	must(err)
	distance, err := ingest.Lag(ctx, brokers, "transactions", nil, l)
	must(err)
	w := lake.NewWriter[payment.Row](l)
	state, err := l.State(ctx)
	must(err)
	batch := w.Begin(distance.TopicID, state)
	batch.Cover(0)
	var chunk lake.Chunk[payment.Row]
	chunk.Reset("transactions", distance.TopicID, 0, 0)
	for i, value := range []string{onePayment("0001"), "not JSON", onePayment("0002")} {
		_, err := chunk.Take(&lake.Record{Value: []byte(value), Offset: int64(i), Timestamp: at, IngestedAt: at}, transform)
		must(err)
	}
	must(batch.Add(&chunk))
	sealed, err := batch.Seal(lake.Topic{AskedAt: at, Partitions: 1, Ends: map[int32]int64{0: 3}})
	must(err)
	_, err = w.Commit(ctx, sealed)
	must(err)
	must(w.Close())
	return map[string]string{"TIDEMILL_LAKE": root, "TIDEMILL_KAFKA_BROKERS": strings.Join(brokers, ",")}
}

func onePayment(digits string) string {
	return fmt.Sprintf(`{"transaction_id":"313f8f5e-50bc-4e22-a795-78903500%s","status":"PENDING","event_time":"2024-01-05T10:00:00Z",`+
		`"initiated_at":"2024-01-05T10:00:00Z","amount":"12.30","currency":"INR","customer_id":"c1","merchant_id":"m1","payment_method":"UPI"}`, digits)
}

func TestDeepAuditComparesWithKafka(t *testing.T) {
	env := lakeOf(t, ingest.Payments)
	code, out, errOut := tidemill(t, env, "lake", "audit", "--deep", "--json")
	var a auditJSON
	if err := json.Unmarshal([]byte(out), &a); code != exitDone || err != nil || a.Kafka == nil || a.Kafka.Compared != 3 || a.Rows != 2 {
		t.Errorf("ended %d: %s%s (%v)", code, out, errOut, err)
	}
	if code, out, _ := tidemill(t, env, "lake", "audit", "--deep"); code != exitDone || !strings.Contains(out, "compared with Kafka: 3 offsets") || !strings.Contains(out, "clean") {
		t.Errorf("ended %d: %s", code, out)
	}
	wrong := lakeOf(t, func(rec *lake.Record, into *payment.Row) lake.Verdict {
		v := ingest.Payments(rec, into)
		into.Amount *= 100
		return v
	})
	if code, out, errOut := tidemill(t, wrong, "lake", "audit"); code != exitDone {
		t.Errorf("the shallow audit ended %d: %s%s", code, out, errOut)
	}
	code, out, _ = tidemill(t, wrong, "lake", "audit", "--deep")
	if code != exitFailed || !strings.Contains(out, "PROBLEM partition 0, offset 2: the lake's row is not what the record says: it differs in amount") || strings.Contains(out, "clean") {
		t.Errorf("the deep audit ended %d: %s", code, out)
	}
	delete(env, "TIDEMILL_KAFKA_BROKERS")
	if code, _, errOut := tidemill(t, env, "lake", "audit", "--deep"); code != exitUsage || !strings.Contains(errOut, "TIDEMILL_KAFKA_BROKERS") {
		t.Errorf("without brokers it ended %d: %s", code, errOut)
	}
}

func TestLakeFilesAndDeadLetters(t *testing.T) {
	env := lakeOf(t, ingest.Payments)
	for _, c := range []struct {
		args []string
		want int // members of the list
	}{
		{[]string{"files"}, 1},
		{[]string{"files", "--day", "2024-01-05"}, 1},
		{[]string{"files", "--day", "2024-01-04"}, 0},
		{[]string{"files", "--as-of", "1"}, 1},
		{[]string{"files", "--as-of", "0"}, 0},
		{[]string{"dead-letters", "list"}, 1},
		{[]string{"dead-letters", "list", "--day", "2024-01-05", "--reason", "not json", "--limit", "5"}, 1},
		{[]string{"dead-letters", "list", "--reason", "value"}, 1},
		{[]string{"dead-letters", "list", "--reason", "amount"}, 0},
		{[]string{"dead-letters", "list", "--day", "2024-01-06"}, 0},
	} {
		code, out, errOut := tidemill(t, env, append(append([]string{"lake"}, c.args...), "--json")...)
		var list []map[string]any
		if err := json.Unmarshal([]byte(out), &list); code != exitDone || err != nil || list == nil || len(list) != c.want {
			t.Errorf("lake %v ended %d with %s%s (%v), want %d members", c.args, code, out, errOut, err, c.want)
		}
	}
	_, out, _ := tidemill(t, env, "lake", "dead-letters", "list", "--json")
	var dead []deadLetterJSON
	if err := json.Unmarshal([]byte(out), &dead); err != nil || len(dead) != 1 || string(dead[0].Value) != "not JSON" || dead[0].Offset != 1 || dead[0].Field != "value" || dead[0].Key != nil {
		t.Errorf("the dead letter: %+v (%v) of %s", dead, err, out)
	}
	if code, out, _ := tidemill(t, env, "lake", "dead-letters", "list"); code != exitDone || strings.Contains(out, "not JSON ") || !strings.Contains(out, "2024-01-05T10:00:00Z") {
		t.Errorf("for people it ended %d: %s", code, out)
	}
	if code, out, _ := tidemill(t, env, "lake", "files"); code != exitDone || !strings.Contains(out, env["TIDEMILL_LAKE"]+"/bronze/transactions/year=2024/month=01/day=05/") {
		t.Errorf("files for people ended %d: %s", code, out)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"files", "--day", "yesterday"}, exitUsage, "--day"},
		{[]string{"files", "--as-of", "9"}, exitFailed, "entry 2"},
		{[]string{"dead-letters", "list", "--day", "5"}, exitUsage, "--day"},
		{[]string{"dead-letters", "list", "--limit", "-1"}, exitUsage, "--limit"},
	} {
		if code, _, errOut := tidemill(t, env, append([]string{"lake"}, c.args...)...); code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("lake %v ended %d saying %q, want %d and %q", c.args, code, errOut, c.code, c.want)
		}
	}
}

func TestSchemaFraming(t *testing.T) {
	if code, _, errOut := tidemill(t, nil, "version", "--kafka-schema-framing", "ignore"); code != exitUsage || !strings.Contains(errOut, "TIDEMILL_KAFKA_SCHEMA_FRAMING") {
		t.Errorf("an unknown way ended %d: %s", code, errOut)
	}
	at := time.Date(2024, 1, 5, 10, 0, 0, 0, time.UTC)
	framed := append([]byte{0, 0, 0, 1, 2}, onePayment("0001")...)
	plain := lake.Record{Value: []byte(onePayment("0001")), Timestamp: at, IngestedAt: at}
	rec := plain
	rec.Value = framed
	var row, want payment.Row
	if v := (&Config{SchemaFraming: "refuse"}).transform()(&rec, &row); !v.Broken || v.Field != "value" || !strings.Contains(v.Reason, "schema id 258") {
		t.Errorf("refuse: %+v", v)
	}
	strip := (&Config{SchemaFraming: "strip"}).transform()
	if v := strip(&plain, &want); v.Broken {
		t.Errorf("strip, a value without framing: %+v", v)
	}
	if v := strip(&rec, &row); v.Broken || row != want {
		t.Errorf("strip: %+v, %+v; want %+v", v, row, want)
	}
	if len(rec.Value) != len(framed) {
		t.Error("the record was changed: its dead letter would lack the framing")
	}
	rec.Value = []byte{0, 0, 0, 1, 2, 2, 'x'} // Avro
	if v := strip(&rec, &row); !v.Broken || !strings.Contains(v.Reason, "not JSON") {
		t.Errorf("strip of what is no JSON: %+v", v)
	}
}

func TestDeadLettersOfAnyTimestamp(t *testing.T) {
	list := deadLettersFor([]lake.DeadLetter{{Timestamp: math.MinInt64}, {Timestamp: math.MaxInt64}, {Timestamp: 0}}, "", 0, false)
	if text, err := json.Marshal(list); err != nil || list[0].Timestamp != nil || list[1].Timestamp != nil || list[2].Timestamp == nil {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLakeReplay(t *testing.T) {
	env := lakeOf(t, func(rec *lake.Record, into *payment.Row) lake.Verdict {
		v := ingest.Payments(rec, into)
		into.Amount *= 100
		return v
	})
	if code, _, _ := tidemill(t, env, "lake", "audit", "--deep"); code != exitFailed {
		t.Fatalf("the deep audit ended %d", code)
	}
	replay := func(args ...string) (int, string, string) {
		t.Helper()
		return tidemill(t, env, append([]string{"lake", "replay", "--from", "2024-01-01", "--to", "2024-01-31"}, args...)...)
	}
	code, out, errOut := replay("--json")
	var did []lake.Replayed
	if err := json.Unmarshal([]byte(out), &did); code != exitDone || err != nil || len(did) != 1 || did[0].Generation != 1 || did[0].Rows != 2 || did[0].DeadLetters != 1 {
		t.Errorf("it ended %d: %s%s (%v)", code, out, errOut, err)
	}
	if !strings.Contains(errOut, "2024-01-05: generation 1, 2 rows, 1 dead letters") {
		t.Errorf("it tells %s", errOut)
	}
	if code, out, errOut := tidemill(t, env, "lake", "audit", "--deep"); code != exitDone || !strings.Contains(out, "clean") {
		t.Errorf("the deep audit ended %d: %s%s", code, out, errOut)
	}
	if code, out, errOut := replay("--source", "lake"); code != exitDone || !strings.Contains(out, "1 days replayed") || !strings.Contains(errOut, "generation 2") {
		t.Errorf("of the lake it ended %d: %s%s", code, out, errOut)
	}
	if code, out, _ := tidemill(t, env, "lake", "days", "--json"); code != exitDone || !strings.Contains(out, `"generation": 2`) {
		t.Errorf("lake days ended %d: %s", code, out)
	}
	for want, args := range map[string][]string{
		"--source": {"--source", "files"}, "--from": {"--from", "x"}, "--to": {"--to", ""}, "lies after": {"--from", "2024-02-01"},
	} {
		if code, _, errOut := replay(args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("lake replay %v ended %d: %s", args, code, errOut)
		}
	}
	delete(env, "TIDEMILL_KAFKA_BROKERS")
	if code, _, errOut := replay(); code != exitUsage || !strings.Contains(errOut, "TIDEMILL_KAFKA_BROKERS") {
		t.Errorf("without brokers it ended %d: %s", code, errOut)
	}
}
