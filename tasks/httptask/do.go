package httptask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/internal/mask"
)

// An Answer is what a service answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	call   string // method and address for people
	masker *mask.Masker
}

// Decode decodes the JSON of the body into v, a pointer. What does not fit is a permanent error.
func (a *Answer) Decode(v any) error {
	if len(a.Body) == 0 {
		return engine.Permanent(fmt.Errorf("%s: it answered %d without a body, where the JSON of a %T was expected: use Send for what has no output", a.call, a.Status, v))
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		kind, _, merr := mime.ParseMediaType(a.Header.Get("Content-Type"))
		if merr != nil {
			kind = "of no type"
		}
		return engine.Permanent(fmt.Errorf("%s: its answer (%s) is not JSON that fits %T: %w: %s", a.call, kind, v, err, said(a.masker, a.Body)))
	}
	return nil
}

// Do sends a request and returns the answer, whose body has been read and closed. A status that is not expected is a [*StatusError], wrapped
// as the package says: permanent, with the delay that Retry-After asks for, or neither. When ctx ends first, the error wraps the cause of
// that.
//
// Redirections are followed on the same host, with the same method, at most 10 times.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	u, err := c.address(r)
	if err != nil {
		return nil, engine.Permanent(fmt.Errorf("HTTP request: %w", err))
	}
	timeout := fmt.Errorf("no whole answer within %s: raise the client's Timeout if it may take longer", c.timeout())
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout(), timeout)
	defer cancel()
	req, err := c.request(ctx, r, u)
	call := r.method() + " " + mask.New(c.secrets()...).String(shown(u))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call, err)
	}
	m := c.masker(req)

	began := c.now()
	resp, err := (&http.Client{Transport: c.Transport, CheckRedirect: sameService}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call, reason(ctx, m, err))
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.maxAnswer())+1))
	engine.Log(ctx).Info("called", "request", call, "status", resp.StatusCode, "bytes", len(body), "took", c.now().Sub(began).String())
	if !r.expects(resp.StatusCode) { // its body matters less than its status
		return nil, c.refused(r, resp, body, call, m)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: read its answer: %w", call, reason(ctx, m, err))
	}
	if len(body) > c.maxAnswer() {
		return nil, engine.Permanent(fmt.Errorf("%s: its answer is longer than %d bytes: ask for less of it, or raise the client's MaxAnswer", call, c.maxAnswer()))
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, call: call, masker: m}, nil
}

// refused is the error of an answer whose status was not expected.
func (c *Client) refused(r Request, resp *http.Response, body []byte, call string, m *mask.Masker) error {
	method, address, _ := strings.Cut(call, " ")
	e := &StatusError{Method: method, URL: address, Status: resp.StatusCode, Said: said(m, body)}
	if to, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		e.To, e.Said = m.String(shown(to)), "" // the body would say the address once more, with all that is in it
	}
	if !e.Passing() {
		return engine.Permanent(e)
	}
	return c.retryAfter(e, resp.Header)
}

// maxSaid is how much of an answer is part of an error.
const maxSaid = 300

func said(m *mask.Masker, body []byte) string {
	text := strings.Join(strings.Fields(m.String(string(body))), " ") // masked first: a cut secret is not found
	if len(text) > maxSaid {
		text = text[:maxSaid] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

// reason is why a call had no answer, without the address that net/http puts into its errors.
func reason(ctx context.Context, m *mask.Masker, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if text := err.Error(); m.String(text) != text {
		return errors.New(m.String(text))
	}
	return err
}

// maxRedirects is how often a call is sent on.
const maxRedirects = 10

// sameService lets a redirection be followed that sends the same request to the same service: a POST that has become a GET is another one,
// and what makes us known is for the host that it was given for.
func sameService(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.Method != via[0].Method || req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}
