package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine/secret"
)

// canary has what the encodings escape.
const canary = "c4n\"ry<&>/+ \\pä%s\tz"

func keep(t testing.TB, r *secret.Redactor, name, text string) secret.Value {
	t.Helper()
	v, err := r.Keep(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNothingShowsAValue(t *testing.T) {
	var r secret.Redactor
	v := keep(t, &r, "TOKEN", "plain-canary")
	type account struct {
		User     string
		Password secret.Value
		hidden   secret.Value
	}
	a := account{"u", v, v}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		for _, arg := range []any{v, &v, a, &a, []secret.Value{v}, map[string]account{"k": a}, any(a)} {
			fmt.Fprintf(&out, verb+"\n", arg)
		}
	}
	encode := func(raw []byte, err error) {
		if err != nil {
			t.Error(err)
		}
		out.Write(raw)
	}
	encode(json.Marshal(a))
	encode(json.Marshal(map[string]any{"k": &a}))
	encode(xml.Marshal(v))
	encode(v.MarshalText())
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "v", v, "a", a, "p", &a, "g", slog.GroupValue(slog.Any("v", v)))
	}
	if err := template.Must(template.New("").Parse("{{.Password}} {{.}}")).Execute(&out, a); err != nil {
		t.Error(err)
	}
	for _, shown := range []string{"canary", hex.EncodeToString([]byte("canary")), base64.RawStdEncoding.EncodeToString([]byte("plain-canary"))} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(shown)) {
			t.Errorf("it shows %s in:\n%s", shown, &out)
		}
	}
	if v.Reveal() != "plain-canary" || v.Name() != "TOKEN" || !strings.Contains(out.String(), "***") {
		t.Errorf("Reveal is %q, Name %q", v.Reveal(), v.Name())
	}
	if none := (secret.Value{}); none.Reveal() != "" || !none.IsZero() || none.Equal(v) || v.IsZero() || !v.Equal(keep(t, &r, "other", "plain-canary")) {
		t.Error("the zero Value is a secret, or equal ones are not")
	}
}

func TestNoDataBecomesAValue(t *testing.T) {
	var v secret.Value
	if err := json.Unmarshal([]byte(`"hunter2"`), &v); !errors.Is(err, secret.ErrDecode) || !v.IsZero() {
		t.Errorf("JSON: %v", err)
	}
	if err := v.UnmarshalText([]byte("hunter2")); !errors.Is(err, secret.ErrDecode) {
		t.Errorf("text: %v", err)
	}
}

func TestEveryFormIsFoundAndMasked(t *testing.T) {
	var r secret.Redactor
	keep(t, &r, "CANARY", canary)
	raw, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "https", User: url.UserPassword("u", canary), Host: "h", Path: "/" + canary, RawQuery: url.Values{"q": {canary}}.Encode()}
	forms := map[string]string{
		"plain": canary, "JSON": string(raw), "JSON in JSON": string(again), "%q": fmt.Sprintf("%q", canary), "%+q": fmt.Sprintf("%+q", canary),
		"%q of an error": fmt.Sprintf("%q", fmt.Sprintf("no: %q", canary)), "JSON of %q": jsonOf(t, fmt.Sprintf("%q", canary)),
		"a URL": u.String(), "a URL in JSON": jsonOf(t, u.String()), "query": url.QueryEscape(canary), "path": url.PathEscape(canary), "lower escapes": strings.ToLower(url.QueryEscape(canary)),
		"HTML": template.HTMLEscapeString(canary), "hex": fmt.Sprintf("%x", canary), "HEX": fmt.Sprintf("%X", canary), "bytes": fmt.Sprintf("%v", []byte(canary)),
	}
	for before := range 4 {
		for after := range 4 {
			text := "user:!"[:before] + canary + "!?!?"[:after]
			forms[fmt.Sprint("base64 ", before, after)] = base64.StdEncoding.EncodeToString([]byte(text))
			forms[fmt.Sprint("base64url ", before, after)] = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
	}
	for what, text := range forms {
		if name, found := r.Find("before " + text + " after"); !found || name != "CANARY" {
			t.Errorf("%s: not found in %s", what, text)
		}
		masked := r.Mask("before " + text + " after")
		if strings.Contains(masked, text) || !strings.HasPrefix(masked, "before ") || !strings.HasSuffix(masked, " after") {
			t.Errorf("%s: masked as %s", what, masked)
		}
		if name, found := r.Find(masked); found {
			t.Errorf("%s: %s is still in %s", what, name, masked)
		}
	}
	for _, other := range []string{"", "canary", canary[:len(canary)-1], base64.StdEncoding.EncodeToString([]byte("c4n"))} {
		if _, found := r.Find(other); found || r.Mask(other) != other {
			t.Errorf("%q is taken for the secret", other)
		}
	}
}

func jsonOf(t *testing.T, s string) string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPartsOfSecretsAreSecret(t *testing.T) {
	key := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----"
	var r secret.Redactor
	keep(t, &r, "DSN", "postgres://app:s3cr%2Ft-of-app@db/sales")
	keep(t, &r, "LOCAL", "postgres://tidemill:tidemill@localhost/tidemill")
	keep(t, &r, "KEY", key)
	keep(t, &r, "ACCOUNT", "{\n  \"id\": 7,\n  \"pin\": \"1-2-3\"\n}")
	keep(t, &r, "PADDED", "  padded-secret ")
	for _, text := range []string{"s3cr/t-of-app", "s3cr%2Ft-of-app", "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", `{"id":7,"pin":"1-2-3"}`, "(padded-secret)"} {
		if _, found := r.Find("x" + text); !found {
			t.Errorf("%s is not found", text)
		}
	}
	for _, text := range []string{"postgres://", "-----BEGIN PRIVATE KEY-----", "tidemill", "localhost"} {
		if name, found := r.Find(text); found {
			t.Errorf("%s is taken for %s", text, name)
		}
	}
}

func TestSecretsThatOverlapLeaveNothing(t *testing.T) {
	var r secret.Redactor
	keep(t, &r, "A", "abcdef")
	keep(t, &r, "B", "defghi")
	keep(t, &r, "C", "abcdefgh")
	keep(t, &r, "D", "zazaza")
	for text, want := range map[string]string{"1abcdefghi2": "1***2", "abcdefgh": "***", "abcdefabcdef": "******", "abcde": "abcde", "-zazazaza-": "-***-"} {
		if got := r.Mask(text); got != want {
			t.Errorf("%s is masked as %s, want %s", text, got, want)
		}
	}
}

func TestShortSecretsAreRefused(t *testing.T) {
	var r secret.Redactor
	if v, err := r.Keep("PIN", "12345"); !errors.Is(err, secret.ErrTooShort) || !v.IsZero() || strings.Contains(err.Error(), "12345") || !strings.Contains(err.Error(), "PIN") {
		t.Errorf("five bytes: %v", err)
	}
}

func TestNilKnowsNothing(t *testing.T) {
	var r *secret.Redactor
	h := slog.DiscardHandler
	if _, found := r.Find("anything"); found || r.Mask("anything") != "anything" || r.Handler(h) != h {
		t.Error("a nil Redactor finds something")
	}
}

func TestLaterTextsOfANameReplaceTheOldest(t *testing.T) {
	var r secret.Redactor
	for i := range 40 {
		keep(t, &r, "TOKEN", fmt.Sprintf("token-of-hour-%02d", i))
	}
	keep(t, &r, "OTHER", "another-secret")
	var known []int
	for i := range 40 {
		if _, found := r.Find(fmt.Sprintf("token-of-hour-%02d", i)); found {
			known = append(known, i)
		}
	}
	if len(known) != 32 || slices.Min(known) != 8 {
		t.Errorf("known are %v, want the last 32", known)
	}
}

type shy struct{ word string }

func (s shy) LogValue() slog.Value { return slog.StringValue(s.word) }

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("of logged-secret") }

func TestHandlerMasks(t *testing.T) {
	var r secret.Redactor
	var out bytes.Buffer
	const word = "logged-secret"
	log := func(h slog.Handler) *slog.Logger { return slog.New(r.Handler(h)) }
	for name, l := range map[string]*slog.Logger{"text": log(slog.NewTextHandler(&out, nil)), "JSON": log(slog.NewJSONHandler(&out, nil))} {
		out.Reset()
		keep(t, &r, "WORD", word)
		keep(t, &r, "NUMBER", "1234567")
		l = l.With("with", "has "+word).WithGroup("g-" + word)
		l.Info("says "+word, word, 1, "error", fmt.Errorf("wrapped: %w", errors.New(word)), "struct", struct{ A []string }{[]string{word}}, "bytes", []byte(word),
			"number", 1234567, "float", 1234567.0, "valuer", shy{word}, "pointer", &shy{word}, "group", slog.GroupValue(slog.String("in", word)), "panics", panics{}, "kept", []int{1, 2}, "n", 7)
		for _, shown := range []string{word, base64.StdEncoding.EncodeToString([]byte(word)), "1234567"} {
			if strings.Contains(out.String(), shown) {
				t.Errorf("%s: %s is shown: %s", name, shown, &out)
			}
		}
		if name == "JSON" {
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Errorf("no JSON any more: %v: %s", err, &out)
			}
			if group, ok := line["g-***"].(map[string]any); !ok || fmt.Sprint(group["kept"]) != "[1 2]" || fmt.Sprint(group["n"]) != "7" {
				t.Errorf("what has no secret has changed: %s", &out)
			}
		}
	}
}

func BenchmarkMaskALineThatHasNone(b *testing.B) {
	var r secret.Redactor
	for i := range 10 {
		keep(b, &r, fmt.Sprint("S", i), fmt.Sprintf("a-password-of-some-length-%d", i))
	}
	line := strings.Repeat("an ordinary line of a log ", 8)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		r.Mask(line)
	}
}
