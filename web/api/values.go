package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/tidemill/tidemill/engine"
)

// A Time is a moment in a body: RFC 3339, or without an offset, which means UTC.
type Time struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil || text == nil {
		return err
	}
	at, err := parseTime(*text)
	if err == nil && at.IsZero() { // which stands for none here: nothing, or everything, would be meant instead
		err = fmt.Errorf("%q is the beginning of the calendar; give a later time", *text)
	}
	t.Time = at
	return err
}

// Schema says to OpenAPI and to the validation what a Time is. It may be null.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

// A JSONObject is an object in a body that is passed on as it came, so that large numbers stay what they are.
type JSONObject json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (o *JSONObject) UnmarshalJSON(b []byte) error {
	*o = append((*o)[:0], b...)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o JSONObject) MarshalJSON() ([]byte, error) { return raw(o), nil }

// Schema says that it is an object of whatever members, or null.
func (JSONObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
}

func parseTime(text string) (time.Time, error) {
	first, _, err := engine.ParseDate("time", strings.Replace(text, " ", "+", plusLost(text)), time.UTC)
	if err != nil {
		// The official client's way to write an offset, +0000, is not RFC 3339's.
		if at, err := time.Parse("2006-01-02T15:04:05.999999999Z0700", text); err == nil {
			return at.UTC(), nil
		}
		return time.Time{}, fmt.Errorf("%q is no time; give one as in 2024-01-09T02:00:00Z", text)
	}
	return first, nil
}

// plusLost is 1 when text looks like a time whose "+" was read as a blank, as in a query that was not escaped.
func plusLost(text string) int {
	if len(text) > 16 && strings.Contains(text, "T") && strings.Count(text, " ") == 1 {
		return 1
	}
	return 0
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// seconds from start to end, or to now while there is no end; nil without a start.
func seconds(start, end *time.Time) *float64 {
	if start == nil || end == nil {
		return nil
	}
	d := end.Sub(*start).Seconds()
	return &d
}

// raw is JSON that is passed on; null when there is none.
func raw(b []byte) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}

var idSpace = uuid.MustParse("3b0c9f0e-7f4a-4d3e-9b1a-7d1c5a2e8f11") // of the ids that we derive

// instanceID is the id of a task instance, the same for ever.
func instanceID(k engine.TaskKey) string {
	return uuid.NewSHA1(idSpace, fmt.Appendf(nil, "%d/%s/%d", k.Run, k.Task, k.MapIndex)).String()
}

// pattern is Airflow's search: a part of the name, whatever its case, with % for anything, _ for one character and | for
// alternatives. prefix asks that the name begins with it.
func pattern(text string, prefix bool) (func(string) bool, error) {
	if text == "" || text == "~" {
		return func(string) bool { return true }, nil
	}
	var alternatives []string
	for _, alt := range strings.Split(text, "|") {
		q := regexp.QuoteMeta(strings.TrimSpace(alt))
		if !prefix {
			q = strings.NewReplacer("%", ".*", "_", ".").Replace(q)
		}
		alternatives = append(alternatives, q)
	}
	expr := "(?is)(?:" + strings.Join(alternatives, "|") + ")"
	if prefix {
		expr = "(?s)^(?:" + strings.Join(alternatives, "|") + ")"
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// Page is where a list starts and how long it is at most.
type Page struct {
	Limit  int `query:"limit" default:"50" minimum:"0" doc:"At most so many; 0 is the default, above 1000 is 1000"`
	Offset int `query:"offset" default:"0" minimum:"0"`
}

const (
	defaultLimit = 50
	maxLimit     = 1000
)

func (p Page) limit() int {
	if p.Limit == 0 {
		return defaultLimit
	}
	return min(p.Limit, maxLimit)
}

// cut takes the page out of all.
func cut[T any](all []T, p Page) []T {
	from := min(p.Offset, len(all))
	to := min(from+p.limit(), len(all))
	return all[from:to]
}
