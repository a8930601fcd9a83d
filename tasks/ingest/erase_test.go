package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// TestRetryAndEraseBesideTheStream: dead letters that an earlier decoder made
// become rows at their old offsets, and a customer is erased, while the stream
// goes on; the comparison with Kafka, which still has all of it, is clean, and
// what is made anew of Kafka's records does not bring the customer back.
func TestRetryAndEraseBesideTheStream(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	cfg := w.config(l)
	cfg.Transform = func(rec *lake.Record, into *payment.Row) lake.Verdict {
		if v := Payments(rec, into); v.Broken || into.CustomerID != "c00004" && into.CustomerID != "c00003" {
			return v
		}
		return lake.Verdict{Broken: true, Field: "customer_id", Reason: "is not liked"}
	}
	r := w.run(cfg)
	w.produce(payments(2, 0, 10)...)
	broken := payments(2, 3, 1)
	broken[0].Value = bytes.Replace(broken[0].Value, []byte("PENDING"), []byte("LOST"), 1)
	w.produce(broken...)
	w.caughtUp(l)
	r.stop()
	r = w.run(w.config(l))

	own := w.lake()
	writer := lake.NewWriter[payment.Row](own, lake.OfContract(payment.ContractVersion))
	done, err := writer.RetryDeadLetters(t.Context(), "2024-01-05", lake.Retry[payment.Row]{Transform: Payments})
	if err != nil || done.Tried != 3 || done.ToRows != 2 || len(done.Still) != 1 {
		t.Fatalf("retried: %+v, %v", done, err)
	}
	w.produce(payments(2, 20, 4)...)
	w.caughtUp(l)
	w.seen(14)
	w.auditClean(l)
	if k := w.compare(w.lake()); !k.Clean() || k.Compared != 15 {
		t.Errorf("after the retry: %+v", k)
	}

	before := w.plainRows()
	gone, err := writer.Erase(t.Context(), lake.Erasure{Person: "c00003"})
	if err != nil || gone.Entry == 0 || len(gone.Days) != 1 || gone.Days[0].Rows != 1 || gone.Days[0].DeadLetters != 1 || gone.Days[0].Generation != 1 {
		t.Fatalf("erased: %+v, %v", gone, err)
	}
	if files, err := own.EmptyReplaced(t.Context(), []lake.Day{"2024-01-05"}); err != nil || files == 0 {
		t.Errorf("%d replaced files removed, %v", files, err)
	}
	w.produce(payments(2, 30, 4)...)
	w.caughtUp(l)
	w.seen(18)
	check := func(when string) {
		t.Helper()
		w.wantOnce(18)
		w.auditClean(l)
		if k := w.compare(w.lake()); !k.Clean() || k.Compared != 19 {
			t.Errorf("%s, compared with Kafka: %+v", when, k)
		}
		erased := 0
		for at, copies := range w.plainRows() {
			row := copies[0]
			if row.CustomerID == payment.Erased {
				erased++
				was := before[at][0]
				if row.CustomerEmail != nil || row.IPAddress != nil || row.City != nil || row.DeviceType != nil {
					t.Errorf("%s: the row is %+v", when, row)
				}
				if was.CustomerID != "c00003" || row.TransactionID != was.TransactionID || row.Amount != was.Amount || row.PayloadHash != was.PayloadHash || row.KafkaTimestamp != was.KafkaTimestamp {
					t.Errorf("%s: %+v is not the payment of %+v", when, row, was)
				}
			}
			if strings.Contains(fmt.Sprint(row.CustomerID, *orNone(row.CustomerEmail), *orNone(row.IPAddress)), "00003") {
				t.Errorf("%s: the row at %v is %+v", when, at, row)
			}
		}
		letters, err := own.DeadLetters(t.Context(), "", 0)
		if err != nil || erased != 1 || len(letters) != 1 || letters[0].Value != nil || letters[0].Key != nil || !letters[0].WasOf(broken[0].Key, broken[0].Value) {
			t.Errorf("%s: %d rows without a customer, dead letters %+v, %v", when, erased, letters, err)
		}
	}
	check("erased")
	replay, err := NewReplay(t.Context(), w.brokers, nil, topic, Payments)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = replay.Close() }()
	for name, decoder := range map[string]lake.Decoder[payment.Row]{"from Kafka": replay.Decoder(), "from the lake": PaymentsOfLake(Payments)} {
		if _, err := writer.Replay(t.Context(), "2024-01-05", decoder); err != nil {
			t.Fatalf("replay %s: %v", name, err)
		}
		check("replayed " + name)
	}
	if done, err := writer.RetryDeadLetters(t.Context(), "2024-01-05", lake.Retry[payment.Row]{Transform: Payments}); err != nil || done.Entry != 0 || len(done.Still) != 1 {
		t.Errorf("retried once more: %+v, %v", done, err)
	}
	r.stop()
}

// seen waits until the stream, which goes on, has moved n records to where a
// plain reader looks, and checks that each is there once.
func (w *world) seen(n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("a plain reader sees %d records", n), func() bool {
		rows, err := readGlob(w.root)
		return err == nil && len(rows) == n
	})
	w.wantOnce(n)
}

func orNone(text *string) *string {
	if text == nil {
		return new(string)
	}
	return text
}
