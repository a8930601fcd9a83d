package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/settings"
	"github.com/tidemill/tidemill/internal/testkit"
)

// sings tells where in a text the canary is, in whatever form.
func sings(text string) (excerpt string, found bool) {
	text = strings.ToLower(text)
	for _, form := range canaryForms() {
		if i := strings.Index(text, strings.ToLower(form)); i >= 0 {
			return text[max(0, i-80):min(len(text), i+80)], true
		}
	}
	return "", false
}

// canaryForms are made otherwise than the engine makes them: by what is common to encodings of longer texts.
var canaryForms = sync.OnceValue(func() []string {
	forms := []string{core, hex.EncodeToString([]byte(core))}
	for before := range 3 {
		a := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", before) + core + "aaaaaa"))
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x9e", before) + core + "\x9e\x9e\x9e\x9e\x9e\x9e"))
		longest := ""
		for from := range a {
			for to := from + len(longest) + 1; to <= len(a) && a[from:to] == b[from:to]; to++ {
				longest = a[from:to]
			}
		}
		forms = append(forms, longest)
	}
	for _, f := range slices.Clone(forms[2:]) {
		forms = append(forms, hex.EncodeToString([]byte(f))) // base64 in bytea
	}
	return forms
})

// A cage is a serve process on a database of its own, with a receiver of its webhooks.
type cage struct {
	testing.TB
	base     string
	database string
	log      *syncBuffer
	hooks    *syncBuffer
}

// syncBuffer is a buffer that several write to and read from.
type syncBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func newCage(t *testing.T, opts ...Option) *cage {
	t.Helper()
	c := &cage{TB: t, database: testkit.Postgres(t), log: &syncBuffer{}, hooks: &syncBuffer{}}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(c.hooks, r.Body)
		http.Error(w, "no", http.StatusGone)
	}))
	t.Cleanup(receiver.Close)
	env := map[string]string{
		"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_DATABASE_URL": c.database, "TIDEMILL_LISTEN": "127.0.0.1:0", "TIDEMILL_LOG_FORMAT": "json", "TIDEMILL_LOG_LEVEL": "debug",
		"TIDEMILL_WEBHOOK_URL": receiver.URL, "TIDEMILL_WEBHOOK_SECRET": "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567")),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve"}, io.Discard, c.log, func(name string) string { return env[name] }, opts...)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitDone {
			t.Errorf("serve ended %d", code)
		}
	})
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	c.wait("serve to listen", func() bool {
		if m := address.FindStringSubmatch(c.log.String()); m != nil {
			c.base = m[1]
		}
		return c.base != "" && strings.Contains(c.log.String(), `"msg":"joined"`)
	})
	return c
}

func (c *cage) wait(what string, ok func() bool) {
	c.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			c.Fatalf("not within a minute: %s; its log: %s", what, c.log)
		}
	}
}

// ask sends a request and returns its status and body.
func (c *cage) ask(method, path, body string) (int, string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	return r.StatusCode, string(raw)
}

// settle triggers the canary's DAG and waits until all of it is over, and told of.
func (c *cage) settle() map[string]string {
	c.Helper()
	if status, body := c.ask("POST", "/api/v2/dags/canary/dagRuns", `{"dag_run_id": "r", "logical_date": null}`); status != http.StatusOK {
		c.Fatalf("trigger: %d %s", status, body)
	}
	states := map[string]string{}
	c.wait("the run to end", func() bool {
		_, run := c.ask("GET", "/api/v2/dags/canary/dagRuns/r", "")
		_, body := c.ask("GET", "/api/v2/dags/canary/dagRuns/r/taskInstances", "")
		var got struct {
			All []struct {
				ID    string `json:"task_id"`
				State string `json:"state"`
			} `json:"task_instances"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			c.Fatalf("%v: %s", err, body)
		}
		for _, i := range got.All {
			states[i.ID] = i.State
		}
		return strings.Contains(run, `"state":"failed"`) || strings.Contains(run, `"state":"success"`)
	})
	c.wait("the stream's failure, the run's webhook and a callback's error to be stored", func() bool {
		n := 0
		for _, table := range c.dump() {
			for _, want := range []string{"refused: ", "callback was told: ", "callback of the run: "} {
				n += strings.Count(table, want)
			}
		}
		return n >= 3 && strings.Count(c.log.String(), "stream failed") >= 2 && strings.Contains(c.hooks.String(), "run.failed")
	})
	return states
}

// dump is every row of every table as text, by table.
func (c *cage) dump() map[string]string {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), c.database)
	if err != nil {
		c.Fatal(err)
	}
	defer conn.Close(c.Context()) //nolint:errcheck // nothing is pending
	rows, err := conn.Query(c.Context(), `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		c.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.Fatal(err)
	}
	out := map[string]string{}
	for _, table := range tables {
		rows, err := conn.Query(c.Context(), `SELECT t::text FROM `+table+` t`)
		if err != nil {
			c.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			c.Fatal(err)
		}
		out[table] = strings.Join(lines, "\n")
	}
	if len(out) < 10 {
		c.Fatalf("there are %d tables only", len(out))
	}
	return out
}

var links = regexp.MustCompile(`(?:href|action|src)="(/[^"#]*)"`)

// pages are all pages that lead from the first, and all that the API has of the canary's run, by path.
func (c *cage) pages() map[string]string {
	c.Helper()
	_, description := c.ask("GET", "/api/v2/openapi.json", "")
	var api struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(description), &api); err != nil {
		c.Fatalf("%v: %s", err, description)
	}
	queue := []string{"/", "/streams", "/backfills"}
	for path, methods := range api.Paths {
		if _, ok := methods["get"]; !ok || strings.Contains(path, "event") || strings.HasSuffix(path, "/wait") {
			continue // those do not end
		}
		for id := range canaryTasks {
			queue = append(queue, strings.NewReplacer("{dag_id}", "canary", "{dag_run_id}", "r", "{task_id}", id, "{map_index}", "0", "{try_number}", "1", "{task_try_number}", "1",
				"{xcom_key}", "return_value", "{stream}", "song", "{dag_version}", "1", "{version_number}", "1").Replace(path))
		}
	}
	out := map[string]string{}
	for len(queue) > 0 && len(out) < 3000 {
		path := strings.ReplaceAll(queue[0], "&amp;", "&")
		queue = queue[1:]
		if _, seen := out[path]; seen || strings.HasPrefix(path, "/live") || strings.HasPrefix(path, "/assets/") || strings.Contains(path, "toggle=") {
			continue
		}
		_, out[path] = c.ask("GET", path, "")
		if !strings.HasPrefix(path, "/api/") {
			for _, m := range links.FindAllStringSubmatch(out[path], -1) {
				queue = append(queue, m[1])
			}
		}
	}
	return out
}

type canarySettings struct {
	Token settings.Secret `setting:"TOKEN,required"`
}

func TestASecretReachesNothing(t *testing.T) {
	t.Setenv("TIDEMILL_TEST_CANARY_TOKEN", canary)
	source := settings.New(settings.Env("TIDEMILL_TEST_CANARY_"))
	token := settings.Of[canarySettings](source)
	c := newCage(t, append(singing(func(ctx context.Context) (string, error) {
		s, err := token.Load(ctx)
		return s.Token.Reveal(), err
	}), Settings(source))...)
	for _, body := range []string{
		fmt.Sprintf(`{"note": %s, "logical_date": null}`, mustJSON(canary)), fmt.Sprintf(`{"dag_run_id": %s, "logical_date": null}`, mustJSON("run of "+canary)),
		fmt.Sprintf(`{"conf": {"X": %s}, "logical_date": null}`, mustJSON(canary)),
	} {
		status, answer := c.ask("POST", "/api/v2/dags/other/dagRuns", body)
		if status != http.StatusUnprocessableEntity || !strings.Contains(answer, "TOKEN") {
			t.Errorf("%s is taken: %d %s", body, status, answer)
		}
		if text, found := sings(answer); found {
			t.Errorf("the answer to %s shows it: %s", body, text)
		}
	}
	states := c.settle()
	for task, want := range canaryTasks {
		if states[task] != string(want) {
			t.Errorf("task %s is %s, want %s", task, states[task], want)
		}
	}
	pages := c.pages()
	for what, text := range c.everything(pages) {
		if excerpt, found := sings(text); found {
			t.Errorf("%s has it: …%s…", what, excerpt)
		}
	}
	if _, found := sings(c.hooks.String()); found {
		t.Error("a webhook has it")
	}
	log := pages["/api/v2/dags/canary/dagRuns/r/taskInstances/logs/logs/1"]
	if !strings.Contains(log, "it says ***") {
		t.Errorf("the log does not tell the rest: %s", log)
	}
	for _, id := range []string{"returns", "encodes", "attaches", "asks", "triggers", "reports"} {
		if log := pages["/api/v2/dags/canary/dagRuns/r/taskInstances/"+id+"/logs/1"]; !strings.Contains(log, "TOKEN") {
			t.Errorf("the log of %s does not name the secret: %s", id, log)
		}
	}
}

// everything is what anybody may look at, by what it is.
func (c *cage) everything(pages map[string]string) map[string]string {
	out := map[string]string{"the log of the process": c.log.String()}
	for table, text := range c.dump() {
		out["table "+table] = text
	}
	for path, text := range pages {
		out["page "+path] = text
	}
	return out
}

// TestWhatIsNotKnownAsASecretIsFound is the test of the test above.
func TestWhatIsNotKnownAsASecretIsFound(t *testing.T) {
	c := newCage(t, singing(func(context.Context) (string, error) { return canary, nil })...)
	states := c.settle()
	found := map[string]bool{}
	for what, text := range c.everything(c.pages()) {
		if _, ok := sings(text); ok {
			kind, _, _ := strings.Cut(what, " ")
			found[kind] = true
			found[what] = true
		}
	}
	for _, want := range []string{
		"the log of the process", "page", "page /api/v2/dags/canary/dagRuns/r/taskInstances/errs", "page /api/v2/dags/canary/dagRuns/r/taskInstances/logs/logs/1",
		"page /dags/canary/runs/r/tasks/errs", "page /streams", "page /api/v2/dags/canary/dagRuns/r/taskInstances/encodes/xcomEntries/return_value",
	} {
		if !found[want] {
			t.Errorf("nothing is found in: %s", want)
		}
	}
	tables := 0
	for what := range found {
		if strings.HasPrefix(what, "table ") {
			tables++
		}
	}
	if _, ok := sings(c.hooks.String()); !ok || tables < 7 {
		t.Errorf("found in %d tables; in the webhooks: %v", tables, ok)
	}
	if states["returns"] != string(engine.Success) {
		t.Errorf("task returns is %s", states["returns"])
	}
	for _, form := range []string{url.QueryEscape(canary), hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte("u:" + canary))} {
		if _, ok := sings(form); !ok {
			t.Errorf("%s is not found", form)
		}
	}
}
