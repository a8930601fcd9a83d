package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake/verify"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// TestMain lets the test binary be the program that `lake verify` starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "lake" {
		Main(Reference())
	}
	os.Exit(m.Run())
}

func TestLakeVerify(t *testing.T) {
	env := lakeOf(t, ingest.Payments)
	code, out, errOut := tidemill(t, env, "lake", "verify", "--json")
	var r verify.Report
	if err := json.Unmarshal([]byte(out), &r); code != exitDone || err != nil || r.Files != 2 || r.Rows != 3 || r.Sums["amount"] != "24.60" || !r.Agrees() {
		t.Errorf("ended %d: %s%s (%v)", code, out, errOut, err)
	}
	if code, out, _ := tidemill(t, env, "lake", "verify"); code != exitDone || !strings.Contains(out, "24.60") || !strings.Contains(out, "it agrees") {
		t.Errorf("for people it ended %d: %s", code, out)
	}
	files, err := filepath.Glob(filepath.Join(env["TIDEMILL_LAKE"], "bronze", "*", "*", "*", "*", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("PAR1 and nothing that follows from it PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = tidemill(t, env, "lake", "verify")
	if code != exitFailed || !strings.Contains(out, "DIFFERS bronze/transactions/year=2024/month=01/day=05/") || strings.Contains(out, "it agrees") {
		t.Errorf("with a damaged file it ended %d: %s%s", code, out, errOut)
	}
}
