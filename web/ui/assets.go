package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/tidemill/tidemill/web/layout"
)

//go:embed assets/*
var assetFiles embed.FS

// assets are the files that pages use, by name.
type assets map[string]asset

type asset struct {
	data []byte
	kind string
	tag  string // of its content
}

// loadAssets reads the files and adds the states' signs to the style sheet, so that they are drawn in one place.
func loadAssets() (assets, error) {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	out := assets{}
	for _, f := range files {
		data, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read assets: %w", err)
		}
		if f.Name() == "tidemill.css" {
			data = append(data, signs()...)
		}
		sum := sha256.Sum256(data)
		out[f.Name()] = asset{data, mime.TypeByExtension(path.Ext(f.Name())), hex.EncodeToString(sum[:6])}
	}
	return out, nil
}

// signs are rules that give each state its shape.
func signs() []byte {
	var b bytes.Buffer
	for state, d := range layout.Signs {
		style := "fill='none' stroke='%23000' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'"
		if state == "running" {
			style = "fill='%23000'"
		}
		svg := fmt.Sprintf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path %s d='%s'/></svg>", style, d)
		fmt.Fprintf(&b, ".%s{--sign:url(\"data:image/svg+xml,%s\")}\n", state, strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", "'", "%27").Replace(svg))
	}
	return b.Bytes()
}

// url is where a file is; it changes with its content.
func (a assets) url(name string) string {
	return "/assets/" + name + "?" + url.Values{"v": {a[name].tag}}.Encode()
}

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a[strings.TrimPrefix(r.URL.Path, "/assets/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("ETag", `"`+f.tag+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.tag {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Header.Get("If-None-Match") == `"`+f.tag+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(f.data) // a client that is gone needs no answer
}
