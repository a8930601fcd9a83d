package ui

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// functions are what templates can call.
func functions(a assets) template.FuncMap {
	return template.FuncMap{
		"asset": a.url, "dagURL": dagURL, "tagURL": func(tag string) string { return dagFilter{Tag: tag}.URL() }, "ownerURL": func(owner string) string { return dagFilter{Owner: owner}.URL() }, "runURL": runURL, "taskURL": taskURL, "auditURL": auditURL,
		"stamp": stamp, "short": shortStamp, "rfc": rfc, "ago": ago, "took": took, "span": span, "word": word, "count": count, "plural": plural, "day": dayIn, "percent": percent, "mask": maskText, "dict": dict, "condition": condition, "duration": spanOf, "assetID": assetID, "nameOf": nameOf, "legend": func() []engine.State { return legend },
	}
}

// word is a state as people read it.
func word(s any) string {
	text := strings.ReplaceAll(fmt.Sprint(s), "_", " ")
	if text == string(engine.None) || text == "" {
		return "waiting"
	}
	return text
}

// legend are the states that a grid's legend explains.
var legend = []engine.State{engine.Success, engine.Failed, engine.Running, engine.Queued, engine.Scheduled, engine.UpForRetry, engine.UpForReschedule, engine.Deferred, engine.AwaitingInput, engine.UpstreamFailed, engine.Skipped, engine.Restarting, engine.Removed, engine.None}

func moment(t any) (time.Time, bool) {
	switch v := t.(type) {
	case time.Time:
		return v.UTC(), !v.IsZero()
	case *time.Time:
		if v != nil {
			return v.UTC(), true
		}
	}
	return time.Time{}, false
}

func stamp(t any) string {
	at, ok := moment(t)
	if !ok {
		return "–"
	}
	return at.Format("2006-01-02 15:04:05")
}

func shortStamp(t any) string {
	at, ok := moment(t)
	if !ok {
		return "–"
	}
	return at.Format("Jan 2, 15:04")
}

// dayIn is the day that a time is of in a zone.
func dayIn(zone *time.Location, t any) string {
	at, ok := moment(t)
	if !ok {
		return "–"
	}
	return at.In(zone).Format("2006-01-02")
}

func rfc(t any) string {
	at, ok := moment(t)
	if !ok {
		return ""
	}
	return at.Format(time.RFC3339)
}

// ago is a time as its distance from now. In a live rendering the script writes it.
func ago(t any, f *frame) template.HTML {
	at, ok := moment(t)
	if !ok {
		return "–"
	}
	text := ""
	if !f.Live {
		text = distance(at.Sub(f.Now))
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s UTC" data-ago>%s</time>`, at.Format(time.RFC3339), stamp(at), text)) //nolint:gosec // made of times only
}

func distance(d time.Duration) string {
	ahead := d > 0
	d = d.Abs()
	var text string
	switch {
	case d < time.Minute:
		text = strconv.Itoa(int(d/time.Second)) + " s"
	case d < time.Hour:
		text = strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		text = strconv.Itoa(int(d/time.Hour)) + " h"
	default:
		text = strconv.Itoa(int(d/(24*time.Hour))) + " d"
	}
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

// took is how long something took; of what still runs the script counts on.
func took(start, end any, f *frame) template.HTML {
	from, ok := moment(start)
	if !ok {
		return "–"
	}
	if to, ok := moment(end); ok {
		return template.HTML(span(to.Sub(from))) //nolint:gosec // made of numbers only
	}
	text := ""
	if !f.Live {
		text = span(f.Now.Sub(from))
	}
	return template.HTML(fmt.Sprintf(`<span class="ticking" data-since="%s">%s</span>`, from.Format(time.RFC3339Nano), text)) //nolint:gosec // made of times only
}

// span is a duration as people read it.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// count is a number with thin spaces between its thousands.
func count(n any) string {
	text := fmt.Sprint(n)
	if f, ok := n.(float64); ok {
		if f != float64(int64(f)) {
			return strconv.FormatFloat(f, 'g', 6, 64)
		}
		text = strconv.FormatInt(int64(f), 10)
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u2009" + text[i:]
	}
	return sign + text
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

func percent(part, of int) int {
	if of == 0 {
		return 0
	}
	return part * 100 / of
}

// schedule is a DAG's schedule as people read it.
func schedule(s engine.Spec) string {
	switch {
	case s.Schedule == "" && s.Assets != nil:
		return "by assets"
	case s.Schedule == "":
		return "on request"
	}
	text := s.Schedule
	var minute, hour int
	if n, err := fmt.Sscanf(s.Schedule, "%d %d * * *", &minute, &hour); err == nil && n == 2 && strings.HasSuffix(s.Schedule, " * * *") {
		text = fmt.Sprintf("daily at %02d:%02d UTC", hour, minute)
		if s.Zone != "" && s.Zone != "UTC" {
			text = strings.TrimSuffix(text, " UTC")
		}
	}
	if rest, ok := strings.CutPrefix(s.Schedule, "@"); ok {
		text = rest
	}
	if s.Zone != "" && s.Zone != "UTC" {
		text += ", " + s.Zone
	}
	if s.Assets != nil {
		text += ", or by assets"
	}
	return text
}

// dict makes a map of names and values, for a template that needs more than one.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments; give names and values in turn", len(pairs))
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// condition is a condition on assets as people read it.
func condition(c *engine.AssetSpec) string {
	if c == nil {
		return ""
	}
	join := func(parts []engine.AssetSpec, word string) string {
		var texts []string
		for i := range parts {
			text := condition(&parts[i])
			if len(parts) > 1 && len(parts[i].All)+len(parts[i].Any) > 1 {
				text = "(" + text + ")"
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, " "+word+" ")
	}
	switch {
	case len(c.All) > 0:
		return join(c.All, "and")
	case len(c.Any) > 0:
		return join(c.Any, "or")
	}
	return c.Asset
}

func spanOf(d engine.Duration) string { return span(time.Duration(d)) }

// assetID is an asset's place on the page of assets.
func assetID(name string) string { return fmt.Sprintf("asset-%d", api.AssetID(name)) }
