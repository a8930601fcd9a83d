package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/testkit"
)

// The example runs as its comment says, on a database that is there, and tells what is wrong before dbt is asked. The mistakes that dbt finds are
// those of TestRunner in tasks/dbt.
func TestTheShop(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	database, home := testkit.Postgres(t), t.TempDir()
	for _, c := range []struct {
		name  string
		lacks string // file of the project
		env   []string
		args  []string
		fails bool
		says  []string
	}{
		{name: "as it is", says: []string{"dbt_seed_orders  success", "dbt_run_revenue  success", "dbt_test_unique_orders_clean_id  success", "days=2", "models=2", "shop  success"}},
		{name: "a param that is none", args: []string{"--params", `{"currency": "shells"}`}, fails: true, says: []string{"currency"}},
		{name: "no profiles.yml", lacks: "profiles.yml", fails: true, says: []string{"profiles.yml"}},
		{name: "a wrong password", env: []string{"TIDEMILL_WAREHOUSE_URL=" + strings.Replace(database, "@", "x@", 1)}, fails: true, says: []string{"password authentication failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "shop")
			if err := os.CopyFS(dir, os.DirFS("shop")); err != nil {
				t.Fatal(err)
			}
			if c.lacks != "" {
				if err := os.Remove(filepath.Join(dir, c.lacks)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), bin, append([]string{"dag", "test", "shop"}, c.args...)...)
			cmd.Env = append([]string{"HOME=" + home, "TMPDIR=" + t.TempDir(), "TIDEMILL_LOG_FORMAT=text", "PATH=" + os.Getenv("PATH"), "TIDEMILL_DATABASE_URL=" + database,
				"DBT_PYTHON=" + testkit.DBT(t).Python(), "SHOP_DIR=" + dir}, c.env...)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) || c.fails != (err != nil) {
				t.Errorf("it ended with %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}
