package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// allParams has every tag on every kind of field.
type allParams struct {
	Currency string        `json:"currency" default:"EUR" enum:"EUR,CHF,USD" doc:"what amounts are told in"`
	Days     int           `json:"days" default:"30" min:"1" max:"366"`
	Share    float64       `json:"share" default:"0.5" min:"0" max:"1"`
	Big      int64         `json:"big,omitempty" max:"9007199254740993"`
	Deep     bool          `json:"deep" default:"true"`
	Since    time.Time     `json:"since" default:"2024-01-09T02:00:00Z"`
	Wait     time.Duration `json:"wait" default:"90s" max:"1h"`
	Only     []string      `json:"only" default:"a, b" maxLength:"3" pattern:"^[a-z]+$"`
	Sizes    []int         `json:"sizes,omitempty" min:"1" max:"9"`
	Labels   map[string]string
	Code     string     `json:"code,omitempty" minLength:"2" maxLength:"3"`
	From     netip.Addr `json:"from" default:"127.0.0.1"`
	Level    *int       `json:"level" default:"3" min:"1"`
	Limits   struct {
		Rows int    `json:"rows" default:"100" max:"1000"`
		Name string `json:"name"`
	} `json:"limits"`
	Steps []paramStep     `json:"steps"`
	Free  json.RawMessage `json:"free,omitempty"`
	embeddedParams
}

type paramStep struct {
	Name string      `json:"name" required:"true"`
	Try  int         `json:"try" default:"2"`
	Then []paramStep `json:"then,omitempty"`
}

type embeddedParams struct {
	Deep   string `json:"deep"` // hidden by the one above
	Tenant string `json:"tenant" default:"main"`
}

func taking[P any](t testing.TB, opts ...engine.DAGOption) *engine.Definition {
	t.Helper()
	d, ok := compiled(t, paramDAG[P]("d", opts...)).DAG("d")
	if !ok {
		t.Fatal("no DAG")
	}
	return d
}

func paramDAG[P any](id string, opts ...engine.DAGOption) *engine.DAG[P] {
	d := engine.New[P](id, opts...)
	engine.After(d.Run(), "task", func(_ context.Context, r engine.Run[P]) (P, error) { return r.Params, nil })
	return d
}

const allDefaults = `{"currency":"EUR","days":30,"deep":true,"from":"127.0.0.1","level":3,"limits":{"rows":100},"only":["a","b"],"share":0.5,"since":"2024-01-09T02:00:00Z","tenant":"main","wait":90000000000}`

func TestParamsAreFilled(t *testing.T) {
	d := taking[allParams](t)
	var all map[string]any
	if err := json.Unmarshal([]byte(allDefaults), &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ given, differs string }{
		{``, `{}`}, {`{}`, `{}`}, {`null`, `{}`}, {" \n", `{}`},
		{`{"days":7}`, `{"days":7}`},
		{`{"days":null}`, `{}`},
		{`{"level":null}`, `{"level":null}`}, // of a pointer null is a value
		{`{"deep":false,"share":0}`, `{"deep":false,"share":0}`},
		{`{"only":[]}`, `{"only":[]}`},
		{`{"limits":{}}`, `{}`}, {`{"limits":{"name":"x"}}`, `{"limits":{"rows":100,"name":"x"}}`}, {`{"limits":null}`, `{}`},
		{`{"steps":[{"name":"a"},{"name":"b","try":9,"then":[{"name":"c"}]}]}`, `{"steps":[{"name":"a","try":2},{"name":"b","try":9,"then":[{"name":"c","try":2}]}]}`},
		{`{"big":9007199254740993,"free":{"any":[1]}}`, `{"big":9007199254740993,"free":{"any":[1]}}`},
	} {
		want := map[string]any{}
		for k, v := range all {
			want[k] = v
		}
		if err := json.Unmarshal([]byte(c.differs), &want); err != nil {
			t.Fatal(err)
		}
		full, err := d.FillParams([]byte(c.given))
		if err != nil {
			t.Errorf("%s: %v", c.given, err)
			continue
		}
		if got, want := sorted(t, full), sorted(t, encoded(t, want)); got != want {
			t.Errorf("%s gives\n%s\nwant\n%s", c.given, got, want)
		}
		if again, err := d.FillParams(full); err != nil || string(again) != string(full) {
			t.Errorf("%s is not full: %s, %v", full, again, err)
		}
	}
	if full, _ := d.FillParams([]byte(`{"big":9007199254740993}`)); !strings.Contains(string(full), "9007199254740993") {
		t.Errorf("a large number is not kept: %s", full)
	}
	if full, err := taking[engine.NoParams](t).FillParams(nil); err != nil || full != nil {
		t.Errorf("no params give %s, %v", full, err)
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sorted(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return string(encoded(t, v))
}

// Each refusal names the field and the bound, and all are told at once.
func TestParamsOutOfBounds(t *testing.T) {
	d := taking[allParams](t)
	for _, c := range []struct {
		given string
		want  []string
	}{
		{`{"currency":"GBP"}`, []string{`params.currency: is "GBP"; it must be one of "EUR", "CHF", "USD"`}},
		{`{"days":0}`, []string{"params.days: is 0; it must be at least 1"}},
		{`{"days":367,"share":1.5}`, []string{"params.days: is 367; it must be at most 366", "params.share: is 1.5; it must be at most 1"}},
		{`{"share":-1e-9}`, []string{"params.share: is -1e-9; it must be at least 0"}},
		{`{"big":9007199254740994}`, []string{"params.big: is 9007199254740994; it must be at most 9007199254740993"}},
		{`{"wait":3600000000001}`, []string{"params.wait: is 3600000000001; it must be at most 3600000000000"}},
		{`{"only":["a","b","c","d"]}`, []string{"params.only: has 4 elements; it must have at most 3"}},
		{`{"only":["a","B"]}`, []string{`params.only.1: is "B"; it must match ^[a-z]+$`}},
		{`{"sizes":[1,10,0]}`, []string{"params.sizes.1: is 10; it must be at most 9", "params.sizes.2: is 0; it must be at least 1"}},
		{`{"code":"x"}`, []string{"params.code: has 1 characters; it must have at least 2"}},
		{`{"code":"äöüß"}`, []string{"params.code: has 4 characters; it must have at most 3"}},
		{`{"level":0}`, []string{"params.level: is 0; it must be at least 1"}},
		{`{"limits":{"rows":1001}}`, []string{"params.limits.rows: is 1001; it must be at most 1000"}},
		{`{"steps":[{"name":"a"},{"try":3}]}`, []string{"params.steps.1.name: is missing; give a text"}},
		{`{"steps":[{"name":"a","then":[{"name":null}]}]}`, []string{"params.steps.0.then.0.name: is missing; give a text"}},
		{`{"dya":1}`, []string{"params.dya: this DAG has no such param; it has currency, days"}},
		{`{"days":"7"}`, []string{"params.days: is a JSON string; it must fit int"}},
		{`{"limits":{"row":1}}`, []string{"params.limits.row: this DAG has no such param"}},
	} {
		_, err := d.FillParams([]byte(c.given))
		if err == nil {
			t.Errorf("%s is taken", c.given)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if !slices.EqualFunc(lines, c.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", c.given, lines, c.want)
		}
		var invalid *engine.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %T is no InvalidError", c.given, err)
		}
	}
	if full, err := d.FillParams([]byte(`{"code":"äöü","sizes":[1,9],"days":366}`)); err != nil {
		t.Errorf("within bounds: %s, %v", full, err)
	}
}

// A field must be given when it says so, or when its zero value is out of bounds and nothing else stands for it.
func TestRequiredParams(t *testing.T) {
	type params struct {
		Said    string  `json:"said" required:"true" doc:"yes"`
		Count   int     `json:"count" min:"1"`
		Word    string  `json:"word" pattern:"^x" minLength:"2"`
		Choice  string  `json:"choice" enum:"a,b"`
		List    []int   `json:"list" minLength:"1"`
		Free    int     `json:"free" max:"9"`
		Nothing *int    `json:"nothing" min:"1"`
		Maybe   string  `json:"maybe,omitempty" enum:"a,b"`
		Zero    float64 `json:"zero,omitzero" min:"1"`
		Waived  int     `json:"waived" required:"false" min:"1"`
	}
	d := taking[params](t)
	_, err := d.FillParams(nil)
	want := []string{"said: is missing; give a text", "count: is missing; give a whole number, at least 1", "word: is missing; give a text, of length 2 or more, that matches ^x",
		`choice: is missing; give a text, one of "a", "b"`, "list: is missing; give a list, of length 1 or more"}
	for i := range want {
		want[i] = "params." + want[i]
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("nothing given: %v, want\n%s", err, strings.Join(want, "\n"))
	}
	if _, err := d.FillParams([]byte(`{"said":"","count":1,"word":"xx","choice":"a","list":[0]}`)); err != nil {
		t.Errorf("all given: %v", err)
	}
	var schema struct{ Required []string }
	if err := json.Unmarshal(d.Spec.Params, &schema); err != nil || !slices.Equal(schema.Required, []string{"said", "count", "word", "choice", "list"}) {
		t.Errorf("the schema requires %q, %v", schema.Required, err)
	}
}

type selfChecked struct {
	From int `json:"from" default:"1"`
	To   int `json:"to" default:"5"`
}

func (p selfChecked) Validate() error {
	if p.From > p.To {
		return errors.Join(&engine.InvalidError{Field: "from", Message: "is after to"}, errors.New("turn them round"))
	}
	return nil
}

func TestParamsThatCheckThemselves(t *testing.T) {
	d := taking[selfChecked](t)
	_, err := d.FillParams([]byte(`{"from":6}`))
	if err == nil || err.Error() != "params.from: is after to\nparams: turn them round" {
		t.Errorf("%v", err)
	}
	if _, err := d.FillParams([]byte(`{"from":5}`)); err != nil {
		t.Errorf("what has the default of to: %v", err)
	}
}

func TestParamTagsThatCannotBe(t *testing.T) {
	type wrong struct {
		A int               `json:"a" default:"x"`
		B int               `json:"b" default:"0" min:"1"`
		C bool              `json:"c" min:"1"`
		D string            `json:"d" pattern:"("`
		E string            `json:"e" default:"z" enum:"x,y"`
		F int               `json:"f" min:"5" max:"3"`
		G string            `json:"g" min:"1"`
		H int               `json:"h" minLength:"1"`
		I string            `json:"i" minLength:"-1"`
		J int               `json:"j" default:"1" required:"true"`
		K int               `json:"k" required:"perhaps"`
		L int               `json:"l" enum:"1,b"`
		M string            `json:"m" enum:"a,,b"`
		N string            `json:"n" enum:"a,a"`
		O uint8             `json:"o" max:"300"`
		P int               `json:"p" minimum:"1"`
		Q time.Time         `json:"q" default:"tomorrow"`
		R []int             `json:"r" default:"1,x"`
		S struct{ In int }  `json:"s" max:"1"`
		T map[string]string `json:"t" pattern:"x"`
		U string            `json:"u" minLength:"3" maxLength:"2"`
		V int               `json:"v" default:""`
		W []string          `json:"w" default:"abc" maxLength:"0"`
		X int               `json:"x" pattern:"1"`
		Y string            `json:"y" default:"abcd" maxLength:"3"`
		Z float64           `json:"z" min:"NaN"`
	}
	_, err := engine.Compile(paramDAGHere[wrong]())
	if err == nil {
		t.Fatal("they are taken")
	}
	for _, want := range []string{
		`field A of engine_test.wrong: default:"x" does not fit int; it takes a whole number`,
		`field B of engine_test.wrong: default:"0" is out of its own bounds: is 0; it must be at least 1`,
		`field C of engine_test.wrong: min:"1" is for numbers, and this takes true or false`,
		`field D of engine_test.wrong: pattern:"(" is no regular expression: missing closing )`,
		`field E of engine_test.wrong: default:"z" is out of its own bounds: is "z"; it must be one of "x", "y"`,
		`field F of engine_test.wrong: min:"5" is above max:"3"`,
		`field G of engine_test.wrong: min:"1" is for numbers, and this is a text; for its length write minLength`,
		`field H of engine_test.wrong: minLength:"1" is for texts, lists and maps`,
		`field I of engine_test.wrong: minLength:"-1" is no whole number of 0 or more`,
		`field J of engine_test.wrong: it has a default and is required`,
		`field K of engine_test.wrong: required:"perhaps" must be true or false`,
		`field L of engine_test.wrong: enum:"1,b": b does not fit int`,
		`field M of engine_test.wrong: enum:"a,,b" has an empty value`,
		`field N of engine_test.wrong: enum:"a,a" has a twice`,
		`field O of engine_test.wrong: max:"300" does not fit uint8`,
		`field P of engine_test.wrong: tag minimum has no meaning here; write min`,
		`field Q of engine_test.wrong: default:"tomorrow" does not fit time.Time`,
		`field R of engine_test.wrong: default:"1,x" does not fit []int`,
		`field S of engine_test.wrong: max:"1" is for numbers, and this takes an object`,
		`field T of engine_test.wrong: pattern is for texts`,
		`field U of engine_test.wrong: minLength:"3" is above maxLength:"2"`,
		`field V of engine_test.wrong: default:"" does not fit int`,
		`field W of engine_test.wrong: default:"abc" is out of its own bounds: has 1 elements`,
		`field X of engine_test.wrong: pattern is for texts`,
		`field Y of engine_test.wrong: default:"abcd" is out of its own bounds: has 4 characters`,
		`field Z of engine_test.wrong: min:"NaN" does not fit float64`,
	} {
		if !strings.Contains(err.Error(), "DAG wrong: params of DAG wrong: "+want) {
			t.Errorf("nothing says %s", want)
		}
	}
	for _, l := range strings.Split(err.Error(), "\n") {
		if !strings.HasPrefix(l, wrongLine+": DAG wrong: ") {
			t.Errorf("not at %s: %s", wrongLine, l)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 26 {
		t.Errorf("%d errors, want 26:\n%v", n, err)
	}
}

var wrongLine string

func paramDAGHere[P any]() *engine.DAG[P] {
	wrongLine = here(1)
	d := engine.New[P]("wrong")
	engine.After(d.Run(), "task", func(context.Context, engine.Run[P]) (int, error) { return 0, nil })
	return d
}

// Nobody gives a scheduled run its params.
func TestRequiredParamsOfAScheduledDAG(t *testing.T) {
	type needs struct {
		Day string `json:"day" required:"true"`
	}
	for how, opt := range map[string]engine.DAGOption{"a schedule": engine.Schedule("@daily", "UTC"), "assets that start it": engine.OnAssets(engine.Asset("a"))} {
		_, err := engine.Compile(paramDAG[needs]("d", opt))
		if want := "DAG d: params.day is missing; give a text, and with " + how + " nobody gives it: give it a default, or omitempty"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", how, err)
		}
	}
	if _, err := engine.Compile(paramDAG[needs]("d")); err != nil {
		t.Error(err)
	}
}

// Runs of whatever origin keep the params that they ran with.
func TestDefaultsAreKeptWithRuns(t *testing.T) {
	type params struct {
		Days  int    `json:"days" default:"30" min:"1"`
		Place string `json:"place,omitempty"`
		Deep  *bool  `json:"deep" default:"true"`
	}
	store, _ := dated(t, "2024-01-05T10:00")
	d := paramDAG[params]("d", engine.Schedule("@daily", "UTC"), engine.StartDate(day("2024-01-04")), engine.Catchup())
	byAsset := paramDAG[params]("by_asset", engine.OnAssets(engine.Asset("prices")))
	no := false
	parent := engine.New[engine.NoParams]("parent")
	engine.TriggerDAG(parent.Run(), "child", d, func(run) params { return params{Place: "Basel", Deep: &no} })
	r := running(t, store, nil, d, byAsset, parent)
	if _, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "parent"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Control().UpdateAsset(t.Context(), "prices", nil, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "d", Params: []byte(`{"days":7}`)}); err != nil {
		t.Fatal(err)
	}
	plan := engine.BackfillRequest{DAG: "d", Params: []byte(`{"place":"Bern"}`), BackfillOrder: engine.BackfillOrder{
		BackfillRange: engine.BackfillRange{From: day("2024-01-02"), To: day("2024-01-02")}, MaxActiveRuns: 1, Reprocess: engine.ReprocessNone}}
	if _, err := r.Control().Backfill(t.Context(), plan, false); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`asset_triggered {"days":30,"deep":true}`, `backfill {"days":30,"deep":true,"place":"Bern"}`,
		`manual {"days":30,"deep":false,"place":"Basel"}`, `manual {"days":7,"deep":true}`, `scheduled {"days":30,"deep":true}`,
	}
	var got []string
	eventually(t, "all runs are over", func() bool {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"d", "by_asset"}, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, row := range rows {
			if row.State != engine.RunSuccess {
				return false
			}
			got = append(got, string(row.Type)+" "+sorted(t, row.Params))
		}
		slices.Sort(got)
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("runs have %q, want %q", got, want)
	}
}

// In tests too a Go value leaves out what is zero and has a default.
func TestDefaultsInATrial(t *testing.T) {
	type params struct {
		Days int `json:"days" default:"30" min:"1"`
		N    int `json:"n"`
	}
	for given, want := range map[any]params{nil: {30, 0}, params{N: 2}: {30, 2}, params{Days: 3}: {3, 0}} {
		var got params
		if err := enginetest.Run(t, paramDAG[params]("d"), given).Output("task", &got); err != nil || got != want {
			t.Errorf("%v gives %v (%v), want %v", given, got, err, want)
		}
	}
}

func TestSchemaOfParams(t *testing.T) {
	var schema struct {
		Properties map[string]map[string]any
	}
	raw := taking[allParams](t).Spec.Params
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"currency": `{"type":"string","enum":["EUR","CHF","USD"],"default":"EUR","description":"what amounts are told in"}`,
		"days":     `{"type":"integer","minimum":1,"maximum":366,"default":30}`,
		"share":    `{"type":"number","minimum":0,"maximum":1,"default":0.5}`,
		"deep":     `{"type":"boolean","default":true}`,
		"since":    `{"type":"string","format":"date-time","default":"2024-01-09T02:00:00Z"}`,
		"only":     `{"type":"array","maxItems":3,"items":{"type":"string","pattern":"^[a-z]+$"},"default":["a","b"]}`,
		"code":     `{"type":"string","minLength":2,"maxLength":3}`,
		"Labels":   `{"type":"object","additionalProperties":{"type":"string"}}`,
		"free":     `{}`,
		"level":    `{"type":["integer","null"],"minimum":1,"default":3}`,
		"tenant":   `{"type":"string","default":"main"}`,
	} {
		if got := string(encoded(t, schema.Properties[name])); got != sorted(t, []byte(want)) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if len(schema.Properties) != 17 {
		t.Errorf("%d properties: %s", len(schema.Properties), raw)
	}
	if i, j := strings.Index(string(raw), `"currency"`), strings.Index(string(raw), `"days"`); i < 0 || i > j {
		t.Error("properties do not stand as written")
	}
}
