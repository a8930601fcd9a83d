package httptask_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/httptask"
)

// A day's rates are asked of one service, and another one is told.
func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"currency": %q, "rate": 0.95}`, r.URL.Query().Get("currency"))
		}
	}))
	defer service.Close()

	type Rate struct {
		Currency string  `json:"currency"`
		Rate     float64 `json:"rate"`
	}
	type Params struct {
		Currency string `json:"currency"`
	}
	client := &httptask.Client{Base: service.URL, Header: http.Header{"Authorization": {"Bearer …"}}}

	d := engine.New[Params]("rates")
	rate := engine.After(d.Run(), "fetch", httptask.JSON[Rate](client, func(r engine.Run[Params]) httptask.Request {
		return httptask.Request{URL: "/rates", Query: url.Values{"currency": {r.Params.Currency}}}
	}), engine.Retry{Max: 3})
	engine.Sink(rate, "publish", httptask.Send(client, func(r Rate) httptask.Request {
		return httptask.Request{Method: http.MethodPost, URL: "/published", JSON: r}
	}))

	o, err := enginetest.Once(context.Background(), d, Params{Currency: "CHF"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var got Rate
	if err := o.Output("fetch", &got); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State, got.Currency, got.Rate)
	// Output: success CHF 0.95
}
