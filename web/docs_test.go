package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
	"github.com/tidemill/tidemill/web/ui"
)

// The documentation of a project is one file at /dbt/, behind the guard of all pages; before it is built the page says how.
func TestProjectDocs(t *testing.T) {
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.Fill(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.txt")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "docs", "index.html")
	base := serve(t, web.Config{Control: control, Store: store, Clock: clock, Docs: &ui.ProjectDocs{Path: path, DAG: "dbt_docs"}})
	body, r := get(t, base+"/dbt/")
	if r.StatusCode != http.StatusNotFound || !strings.Contains(body, "tidemill dag trigger dbt_docs") || !strings.Contains(body, "has not been built yet") {
		t.Errorf("before it is built: %s %s", r.Status, body)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	const page = "<html><script>let docs = 1</script></html>"
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/dbt/", "/dbt/?x=../secret.txt"} {
		if body, r = get(t, base+at); r.StatusCode != http.StatusOK || body != page || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %s %s", at, r.Status, body)
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || strings.Contains(csp, "allow-same-origin") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s: its policy is %s", at, csp)
		}
	}
	if _, r := get(t, base+"/dbt"); r.Header.Get("Location") != "/dbt/" {
		t.Errorf("/dbt leads to %q", r.Header.Get("Location"))
	}
	for _, at := range []string{"/dbt/../secret.txt", "/dbt/%2e%2e/secret.txt", "/dbt/..%2fsecret.txt", "/dbt/%2e%2e%2fsecret.txt", "/dbt/index.html", "/dbt//etc/passwd", "/dbt/..\\secret.txt"} {
		if body, r := get(t, base+at); r.StatusCode != http.StatusNotFound || strings.Contains(body, "hunter2") || strings.Contains(body, "root:") {
			t.Errorf("%s: %s %s", at, r.Status, body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/dbt/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example.com"
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("by another name of this machine: %s, want it refused as every page", answer.Status)
	}
	if _, r := get(t, base+"/dags/merchant_report/lineage"); r.StatusCode != http.StatusNotFound {
		t.Errorf("the lineage of a DAG without any: %s", r.Status)
	}
}
