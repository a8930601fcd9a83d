package httptask

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Defaults of a [Client].
const (
	DefaultTimeout   = 30 * time.Second
	DefaultMaxAnswer = 1 << 20
	DefaultMaxWait   = time.Hour
	DefaultKeyHeader = "Idempotency-Key"
)

// A Client is a service that is called. The zero Client calls any. It may be used by many tasks at once, and must not be changed then.
type Client struct {
	Base   string      // address that URLs of requests without a host are put after, such as https://api.example.com/v1
	Header http.Header // of every request; values are shown nowhere
	// Authorize adds credentials to a request just before it is sent, such as a token that expires. What it sets is shown nowhere.
	Authorize func(context.Context, *http.Request) error

	Timeout   time.Duration // of one call, to the end of its answer. 0: [DefaultTimeout]
	MaxAnswer int           // bytes of an answer's body. 0: [DefaultMaxAnswer]
	MaxWait   time.Duration // bound of what a Retry-After may ask for. 0: [DefaultMaxWait]
	KeyHeader string        // header of the idempotency key. "": [DefaultKeyHeader]; "-": none
	Secrets   []string      // texts that nobody may see, such as a token in the path of an address

	// Transport carries the requests; nil: http.DefaultTransport. Set it for certificates, proxies and limits of connections.
	Transport http.RoundTripper
	Now       func() time.Time // for a Retry-After that is a date. nil: time.Now
}

// JSON makes a body for engine.After, Map and the like: it sends the request that build makes of the task's input, and decodes the JSON of
// the answer into a B. Fields that B does not have are left out.
func JSON[B, A any](c *Client, build func(A) Request) func(context.Context, A) (B, error) {
	return func(ctx context.Context, a A) (B, error) {
		var b B
		answer, err := c.Do(ctx, build(a))
		if err != nil {
			return b, err
		}
		err = answer.Decode(&b)
		return b, err
	}
}

// Send makes a body for engine.Sink: it sends the request that build makes of the task's input, and keeps nothing of the answer.
func Send[A any](c *Client, build func(A) Request) func(context.Context, A) error {
	return func(ctx context.Context, a A) error {
		_, err := c.Do(ctx, build(a))
		return err
	}
}

// address is where a request goes.
func (c *Client) address(r Request) (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Opaque != "" {
		return nil, fmt.Errorf("its URL cannot be read: begin it with http:// or https:// or, after a Base, with /, escape what is special in it with url.PathEscape, and give the query in Query") // err holds the URL
	}
	if u.Host == "" && c.Base != "" {
		base, err := url.Parse(c.Base)
		if err != nil || base.RawQuery != "" || base.Fragment != "" {
			return nil, fmt.Errorf("the Base of its client cannot be used: give an address such as https://api.example.com/v1, without a query")
		}
		if r.URL != "" && !strings.HasPrefix(r.URL, "?") {
			joined := base.JoinPath(u.EscapedPath())
			joined.RawQuery, joined.Fragment = u.RawQuery, u.Fragment
			u = joined
		} else {
			base.RawQuery = u.RawQuery
			u = base
		}
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("its URL is %q: it must be http:// or https:// and name a host, or its client must have a Base that does", shown(u))
	}
	if len(r.Query) > 0 {
		q := u.Query()
		for name, values := range r.Query {
			q[name] = values
		}
		u.RawQuery = q.Encode()
	}
	return u, nil
}

func (c *Client) keyHeader() string {
	switch c.KeyHeader {
	case "":
		return DefaultKeyHeader
	case "-":
		return ""
	}
	return c.KeyHeader
}

func (c *Client) timeout() time.Duration {
	if c.Timeout <= 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

func (c *Client) maxAnswer() int {
	if c.MaxAnswer <= 0 {
		return DefaultMaxAnswer
	}
	return c.MaxAnswer
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// retryAfter gives err the delay that an answer asks for, within bounds.
func (c *Client) retryAfter(err error, header http.Header) error {
	wait, ok := parseRetryAfter(header.Get("Retry-After"), c.now())
	if !ok {
		return err
	}
	limit := c.MaxWait
	if limit <= 0 {
		limit = DefaultMaxWait
	}
	return engine.RetryAfter(err, min(wait, limit))
}
