package httptask

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/tidemill/tidemill/engine"
)

// A Request says what to send. The zero Method is GET.
type Request struct {
	Method string
	URL    string     // whole, or what comes after the client's Base; path.Join and url.PathEscape what is part of it
	Query  url.Values // beside what URL has; replaces parameters of the same name
	Header http.Header
	JSON   any    // body, encoded; nil: none
	Body   []byte // body as it is, in place of JSON; set its Content-Type in Header
	Expect []int  // statuses that succeed; none: 200 to 299
	// Part tells requests of one task instance apart: it becomes part of the idempotency key. A body that sends several needs it.
	Part string
}

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

func (r Request) expects(status int) bool {
	if len(r.Expect) == 0 {
		return status >= 200 && status <= 299
	}
	return slices.Contains(r.Expect, status)
}

// body is what is sent, and its type where we know it.
func (r Request) body() (body []byte, contentType string, err error) {
	if r.JSON == nil {
		return r.Body, "", nil
	}
	if r.Body != nil {
		return nil, "", fmt.Errorf("both JSON and Body are set: keep one of them")
	}
	raw, err := json.Marshal(r.JSON)
	if err != nil {
		return nil, "", fmt.Errorf("encode its body: %w", err)
	}
	return raw, "application/json", nil
}

// request makes what is sent to u.
func (c *Client) request(ctx context.Context, r Request, u *url.URL) (*http.Request, error) {
	body, contentType, err := r.body()
	if err != nil {
		return nil, engine.Permanent(err)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method(), u.String(), reader)
	if err != nil {
		return nil, engine.Permanent(fmt.Errorf("its method %q or its URL cannot be used", r.Method)) // err holds the URL
	}
	req.Header.Set("User-Agent", "tidemill")
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	info, inTask := engine.Info(ctx)
	if key := c.keyHeader(); key != "" && inTask && mayChange(req.Method) {
		req.Header.Set(key, idempotencyKey(info.Key(), r.Part))
	}
	for _, header := range []http.Header{c.Header, r.Header} {
		for name, values := range header {
			req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if c.Authorize != nil {
		if err := c.Authorize(ctx, req); err != nil {
			return nil, fmt.Errorf("get its credentials: %w", err)
		}
	}
	return req, nil
}

func mayChange(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// maxKey is the longest idempotency key that is sent as it is: services take 255 characters.
const maxKey = 255

// idempotencyKey makes a key that any service takes: one that is long or has other than plain characters is sent as its SHA-256.
func idempotencyKey(task, part string) string {
	key := task
	if part != "" {
		key += "/" + part
	}
	if len(key) > maxKey || slices.ContainsFunc([]byte(key), func(b byte) bool { return b <= ' ' || b > '~' }) {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return key
}
