package settings_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine/settings"
)

// given is a provider that has what the map has.
func given(m map[string]string) settings.Provider {
	return settings.Func("the test", func(_ context.Context, name string) (string, bool, error) {
		v, ok := m[name]
		return v, ok, nil
	})
}

type connection struct {
	URL      url.URL         `setting:"URL,required" doc:"where it is"`
	Password settings.Secret `setting:"PASSWORD,required"`
}

type common struct {
	Region string `setting:"REGION" default:"eu"`
}

func TestLoadDecodesEveryType(t *testing.T) {
	type all struct {
		common
		Main    connection    `setting:"MAIN_"`
		Other   connection    `setting:"OTHER_"`
		Text    string        `setting:"TEXT"`
		N       int           `setting:"N" default:"7"`
		Small   int8          `setting:"SMALL"`
		U       uint16        `setting:"U"`
		F       float64       `setting:"F"`
		B       bool          `setting:"B"`
		Timeout time.Duration `setting:"TIMEOUT" default:"30s"`
		Wait    time.Duration `setting:"WAIT" default:"5s"`
		At      time.Time     `setting:"AT"`
		Addr    netip.Addr    `setting:"ADDR"`
		List    []string      `setting:"LIST"`
		Ports   []uint16      `setting:"PORTS"`
		Maybe   *int          `setting:"MAYBE"`
		None    *int          `setting:"NONE"`
		Proxy   *url.URL      `setting:"PROXY"`
		Left    string        `setting:"-"`
		private string
	}
	s := settings.New(given(map[string]string{
		"MAIN_URL": "postgres://app@db/sales", "MAIN_PASSWORD": "first-secret", "OTHER_URL": "https://h/p?q=1", "OTHER_PASSWORD": "second,secret ",
		"TEXT": " as it is ", "SMALL": "-128", "U": "65535", "F": "1.5", "B": "true", "TIMEOUT": "1m30s", "WAIT": "", "AT": "2024-01-05T02:00:00Z",
		"ADDR": "::1", "LIST": "a, b,,c", "PORTS": "80,443", "MAYBE": "0", "PROXY": "http://proxy:3128",
	}))
	v, err := settings.Load[all](t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(v.Region, v.Main.URL.Host, v.Main.Password, v.Other.URL.RawQuery, v.Text, v.N, v.Small, v.U, v.F, v.B, v.Timeout, v.Wait, v.At.Hour(), v.Addr, v.List, len(v.List), v.Ports, *v.Maybe, v.None, v.Proxy)
	want := "eu db *** q=1  as it is  7 -128 65535 1.5 true 1m30s 5s 2 ::1 [a b  c] 4 [80 443] 0 <nil> http://proxy:3128"
	if squeeze(got) != squeeze(want) || v.private != "" {
		t.Errorf("loaded\n %s, want\n %s", got, want)
	}
	if v.Main.Password.Reveal() != "first-secret" || v.Other.Password.Reveal() != "second,secret " || v.Other.Password.Name() != "OTHER_PASSWORD" {
		t.Errorf("secrets are %q and %q", v.Main.Password.Reveal(), v.Other.Password.Reveal())
	}
	if name, found := s.Secrets().Find("x first-secret x"); !found || name != "MAIN_PASSWORD" {
		t.Errorf("the source does not know its secret: %q %v", name, found)
	}
}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestLoadTellsAllThatIsWrongAtOnce(t *testing.T) {
	type broken struct {
		Main    connection      `setting:"MAIN_"`
		Other   connection      `setting:"OTHER_"`
		Short   settings.Secret `setting:"SHORT"`
		N       int             `setting:"N"`
		Small   int8            `setting:"SMALL"`
		B       bool            `setting:"B"`
		Timeout time.Duration   `setting:"TIMEOUT"`
		At      time.Time       `setting:"AT"`
		Ports   []uint16        `setting:"PORTS"`
	}
	const canary = "canary"
	s := settings.New(settings.Env("TIDEMILL_TEST_NOBODY_SETS_"), given(map[string]string{
		"MAIN_PASSWORD": "first-secret", "OTHER_URL": "https://u:" + canary + "@h/", "OTHER_PASSWORD": "", "SHORT": "pin",
		"N": canary, "SMALL": "300", "B": canary, "TIMEOUT": canary, "AT": canary, "PORTS": "80," + canary,
	}))
	_, err := settings.Load[broken](t.Context(), s)
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	for _, want := range []string{
		"setting MAIN_URL (broken.Main.URL): it is required and not set; set the environment variable TIDEMILL_TEST_NOBODY_SETS_MAIN_URL, or MAIN_URL in the test (where it is)",
		"OTHER_URL", "with a password", "OTHER_PASSWORD (broken.Other.Password): it is required and not set", "SHORT has 3 bytes",
		"setting N ", "whole number", "setting SMALL ", "int8", "setting B ", "neither true nor false", "90s or 1h30m", "time.Time", "item 2 of its list",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "pin") {
		t.Errorf("a value is quoted: %v", err)
	}
	var one *settings.Error
	if n := len(strings.Split(err.Error(), "\n")); n != 10 || !errors.As(err, &one) {
		t.Errorf("%d lines, want 10, one for each:\n%v", n, err)
	}
}

func TestStructsThatCannotBeSettings(t *testing.T) {
	source := settings.New(given(nil))
	load := func(_ any, err error) string { return fmt.Sprint(err) }
	for want, got := range map[string]string{
		"settings are a struct": load(settings.Load[string](t.Context(), source)),
		"it has no tag":         load(settings.Load[struct{ Wait time.Duration }](t.Context(), source)),
		`"optional"`: load(settings.Load[struct {
			A string `setting:"A,optional"`
		}](t.Context(), source)),
		"A sets settings.A already": load(settings.Load[struct {
			A string `setting:"A"`
			B string `setting:"A"`
		}](t.Context(), source)),
		`"A B"`: load(settings.Load[struct {
			A string `setting:"A B"`
		}](t.Context(), source)),
		"leave one out": load(settings.Load[struct {
			A string `setting:"A,required" default:"a"`
		}](t.Context(), source)),
		"a secret has no default": load(settings.Load[struct {
			A settings.Secret `setting:"A" default:"secret"`
		}](t.Context(), source)),
		"give each a field": load(settings.Load[struct {
			A []settings.Secret `setting:"A"`
		}](t.Context(), source)),
		"unexported": load(settings.Load[struct {
			a string `setting:"A"`
		}](t.Context(), source)),
		"takes no setting": load(settings.Load[struct {
			A map[string]int `setting:"A"`
		}](t.Context(), source)),
		"[]byte": load(settings.Load[struct {
			A []byte `setting:"A"`
		}](t.Context(), source)),
		"is no pointer": load(settings.Load[struct {
			A *connection `setting:"A_"`
		}](t.Context(), source)),
		`its default "x"`: load(settings.Load[struct {
			A int `setting:"A" default:"x"`
		}](t.Context(), source)),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

type checked struct {
	Low   int             `setting:"LOW"`
	High  int             `setting:"HIGH"`
	Token settings.Secret `setting:"TOKEN"`
}

var errOrder = errors.New("LOW is above HIGH")

func (c *checked) Validate() error {
	if c.Low > c.High {
		return fmt.Errorf("%w: token %s", errOrder, c.Token.Reveal())
	}
	return nil
}

func TestValidateIsAsked(t *testing.T) {
	type outer struct {
		Limits checked `setting:"L_"`
	}
	_, err := settings.Load[outer](t.Context(), settings.New(given(map[string]string{"L_LOW": "3", "L_HIGH": "2", "L_TOKEN": "token-canary"})))
	if err == nil || !strings.Contains(err.Error(), "outer.Limits: LOW is above HIGH: token ***") || strings.Contains(err.Error(), "canary") {
		t.Errorf("it says: %v", err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(fmt.Sprintf("%+v", e), "canary") {
			t.Errorf("an error within shows it: %+v", e)
		}
	}
	if _, err := settings.Load[outer](t.Context(), settings.New(given(map[string]string{"L_LOW": "3", "L_HIGH": "2"}))); !errors.Is(err, errOrder) {
		t.Errorf("the cause is lost where it is no secret: %v", err)
	}
}

func TestProvidersInTurn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PROVIDERS_BOTH", "of the environment")
	t.Setenv("PROVIDERS_EMPTY", "")
	write("BOTH", "of the folder")
	write("EMPTY", "of the folder")
	write("lower", "two\nlines\r\n\r\n")
	lines := filepath.Join(dir, "lines.env")
	write("lines.env", strings.Join([]string{
		"# comment", "", "PLAIN= as it is # no comment ", "export EXPORTED=yes", `SINGLE='a "b" $c \n'`, `DOUBLE="a \"b\" \$c\n\\ \x"`, "NONE=", "EQUALS=a=b",
	}, "\r\n"))
	tree := filepath.Join(dir, "tree.json")
	write("tree.json", `{"A": "text", "N": 12345678901234567890, "B": true, "NIL": null, "DB": {"URL": "u", "DEEP": {"X": 1.50}}}`)
	p := settings.Chain(settings.Env("PROVIDERS_"), settings.Files(dir), settings.Files(filepath.Join(dir, "missing")), settings.File(lines), settings.File(tree), settings.File(filepath.Join(dir, "missing.env")))
	for name, want := range map[string]string{
		"BOTH": "of the environment", "EMPTY": "of the folder", "LOWER": "two\nlines\r\n", "PLAIN": "as it is # no comment", "EXPORTED": "yes",
		"SINGLE": `a "b" $c \n`, "DOUBLE": "a \"b\" $c\n\\ \\x", "EQUALS": "a=b", "A": "text", "N": "12345678901234567890", "B": "true", "DB_URL": "u", "DB_DEEP_X": "1.50",
	} {
		if got, found, err := p.Lookup(t.Context(), name); err != nil || !found || got != want {
			t.Errorf("%s is %q, %v, %v; want %q", name, got, found, err, want)
		}
	}
	for _, name := range []string{"NONE", "NIL", "MISSING"} {
		if got, found, err := p.Lookup(t.Context(), name); err != nil || found {
			t.Errorf("%s is %q, %v, %v; want nothing", name, got, found, err)
		}
	}
	write("CHANGES", "before")
	if got, _, _ := p.Lookup(t.Context(), "CHANGES"); got != "before" {
		t.Errorf("it is %q", got)
	}
	write("CHANGES", "after")
	if got, _, _ := p.Lookup(t.Context(), "CHANGES"); got != "after" {
		t.Errorf("a file that was changed is still %q", got)
	}
}

func TestProvidersThatCannotLook(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for text, want := range map[string]string{
		"A=1\ncanary": "line 2", "A B=canary": "line 1", "A=1\nA=canary": "given twice", `A="canary`: "quotes", `A='can'ary'`: "quotes", `A="can"ary`: "quotes",
		`json{"A": "canary`: "no object", `json["canary"]`: "no object", `json{"A": ["canary"]}`: "A is a list", `json{"A": 1} canary`: "something after", `json{"A_B": "canary", "A": {"B": 1}}`: "given twice",
	} {
		file := path
		if rest, ok := strings.CutPrefix(text, "json"); ok {
			text, file = rest, path+".json"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := settings.File(file).Lookup(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, _, err := settings.Files(dir).Lookup(t.Context(), "../f"); err == nil {
		t.Error("a name leads out of the folder")
	}
	if err := os.WriteFile(path, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := settings.Files(dir).Lookup(t.Context(), "f"); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a file of more than 1 MiB: %v", err)
	}
	sealed := errors.New("sealed")
	vault := settings.Func("the vault", func(context.Context, string) (string, bool, error) { return "", false, sealed })
	_, err := settings.Load[common](t.Context(), settings.New(vault, given(map[string]string{"REGION": "us"})))
	if !errors.Is(err, sealed) || !strings.Contains(err.Error(), "REGION") {
		t.Errorf("a provider that errs is passed over: %v", err)
	}
}

func TestWhatIsDeclaredIsChecked(t *testing.T) {
	m := map[string]string{}
	s := settings.New(given(m))
	limits, conn := settings.Of[checked](s), settings.Of[connection](s)
	err := s.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "URL") || !strings.Contains(err.Error(), "PASSWORD") {
		t.Fatalf("it says %v", err)
	}
	m["URL"], m["PASSWORD"] = "https://h", "p4ssw0rd"
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := conn.Load(t.Context())
	if err != nil || c.Password.Reveal() != "p4ssw0rd" {
		t.Errorf("%v, %v", c, err)
	}
	m["PASSWORD"] = "changed-since"
	if c, err = conn.Load(t.Context()); err != nil || c.Password.Reveal() != "changed-since" || s.Secrets().Mask("p4ssw0rd changed-since") != "*** ***" {
		t.Errorf("%v, %v", c, err)
	}
	if l, err := limits.Load(t.Context()); err != nil || !reflect.DeepEqual(l, checked{}) {
		t.Errorf("%v, %v", l, err)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"A=1", `A="x\n"`, "export A='b'", `{"A":{"B":1}}`} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"f.env", "f.json"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			value, found, err := settings.File(path).Lookup(t.Context(), "A")
			if found && err != nil || !found && value != "" {
				t.Errorf("%q: %q, %v, %v", text, value, found, err)
			}
		}
	})
}
