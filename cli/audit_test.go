package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// asGold makes Gold of bronze as it is, a payment a row, and marks it as built and published.
const asGold = `INSERT INTO gold.fct_transactions SELECT transaction_id, status, amount, currency, customer_id, merchant_id, merchant_category, payment_method, country, is_fraud,
		fraud_score, initiated_at, event_time, (initiated_at AT TIME ZONE 'UTC')::date, processing_date, kafka_timestamp, kafka_partition, kafka_offset FROM bronze.transactions;
	INSERT INTO metadata.stagings (run_id, day, everything) VALUES ('r', '2024-01-05', false);
	INSERT INTO metadata.builds (staging_id, run_id, day, from_scratch) VALUES (1, 'r', '2024-01-05', false);
	INSERT INTO metadata.gold_publications VALUES (1, 'r', '2024-01-05', 2, now());
	UPDATE metadata.loads SET built_by = 1`

func TestAuditOfADay(t *testing.T) {
	env := lakeOf(t, ingest.Payments)
	env["TIDEMILL_DATABASE_URL"] = testkit.Migrated(t, migrations.Warehouse)
	pool, err := pgxpool.New(t.Context(), env["TIDEMILL_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	l, err := lake.Open(env["TIDEMILL_LAKE"], "transactions")
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	audit := func(code int, say string, args ...string) dayAuditJSON {
		t.Helper()
		got, out, errOut := tidemill(t, env, append([]string{"audit", "--json"}, args...)...)
		var a dayAuditJSON
		if err := json.Unmarshal([]byte(out), &a); got != code || !strings.Contains(errOut, say) || code != exitUsage && err != nil {
			t.Errorf("audit %v ended %d, want %d with %q: %s%s(%v)", args, got, code, say, out, errOut, err)
		}
		return a
	}
	audit(exitUsage, "--day is missing")
	audit(exitUsage, "--day", "--day", "the 5th")

	if a := audit(exitFailed, "2 records of 2024-01-05 are not loaded", "--day", "2024-01-05"); a.Unloaded.Records != 2 || !a.Sound() {
		t.Errorf("not loaded: %+v", a)
	}
	w := warehouse.New(pool, warehouse.FromLake(l))
	if _, err := w.Load(t.Context(), warehouse.Request{DAGID: "d", RunID: "r", TaskID: "t", Try: 1, Day: "2024-01-05"}); err != nil {
		t.Fatal(err)
	}
	audit(exitFailed, "2 not built yet", "--day", "2024-01-05")
	exec(asGold)
	if a := audit(exitDone, "", "--day", "2024-01-05", "--deep"); !a.clean() || a.Topic.Records() != 3 || a.Topic.DeadLetters != 1 || a.Gold.Amounts()["INR"] != "24.60" || a.Ended || a.Kafka == nil || a.Kafka.Compared != 3 {
		t.Errorf("sound: %+v", a)
	}
	if a := audit(exitDone, "", "--day", "2024-01-06", "--deep"); !a.clean() || a.Topic.Records() != 0 || a.Kafka.Compared != 0 {
		t.Errorf("a day with nothing: %+v", a)
	}
	code, out, _ := tidemill(t, env, "audit", "--day", "2024-01-05")
	for _, line := range []string{"- dead letters", "= payments in Gold", "24.60", "clean: ", "more may come"} {
		if code != exitDone || !strings.Contains(out, line) {
			t.Errorf("for people it ended %d without %q:\n%s", code, line, out)
		}
	}
	exec(`UPDATE gold.fct_transactions SET amount = 1230 WHERE kafka_offset = 2`)
	a := audit(exitFailed, "found what is wrong", "--day", "2024-01-05")
	if len(a.Problems) == 0 || a.Problems[0].Offset == nil || *a.Problems[0].Offset != 2 || a.Problems[0].Where != warehouse.InGold || a.Problems[0].TopicID == "" {
		t.Errorf("an amount in Gold: %+v", a.Problems)
	}
	if code, out, _ := tidemill(t, env, "audit", "--day", "2024-01-05"); code != exitFailed || !strings.Contains(out, "partition 0 offset 2") || !strings.Contains(out, "amount is 12.30 in bronze, 1230.00 in Gold") || strings.Contains(out, "clean") {
		t.Errorf("for people it ended %d: %s", code, out)
	}
	delete(env, "TIDEMILL_KAFKA_BROKERS")
	audit(exitUsage, "TIDEMILL_KAFKA_BROKERS", "--day", "2024-01-05", "--deep")
}
