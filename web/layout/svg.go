package layout

import (
	"bufio"
	_ "embed"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// Options say how a picture is drawn.
type Options struct {
	// States, by node id, colours the nodes and marks them with a sign; nil: none.
	States map[string]engine.State
	// Notes, by node id, are told where a pointer rests on a node, such as why it does not run; nil: none.
	Notes map[string]string
	// Link is where a node leads to; nil, or "" for a node: nowhere.
	Link func(Node) string
	// Standalone adds the style that a page would have, so that the file can be opened by itself.
	Standalone bool
}

//go:embed standalone.css
var standaloneCSS string

// RenderSVG draws a graph.
func RenderSVG(w io.Writer, g *Graph, o Options) error {
	pic := Arrange(g)
	b := bufio.NewWriter(w)
	role := "img"
	if o.Link != nil {
		role = "group" // an image has nothing in it that could be followed
	}
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="%s" aria-label="Graph of %s">`, pic.W, pic.H, pic.W, pic.H, role, html.EscapeString(g.DAG))
	b.WriteByte('\n')
	if o.Standalone {
		fmt.Fprintf(b, "<style>%s</style>\n", standaloneCSS)
	}
	for _, box := range pic.Boxes {
		if box.Inside {
			drawNode(b, box, o)
		}
	}
	for _, l := range pic.Lines {
		fmt.Fprintf(b, `<path class="edge %s" d="%s"/><path class="tip" d="%s"/>`+"\n", l.Kind, curve(l.Points, l.Label), tip(l.Points[len(l.Points)-1]))
	}
	for _, l := range pic.Lines {
		if end := l.Points[len(l.Points)-1]; l.Label != "" {
			fmt.Fprintf(b, `<text class="way" x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", end.X-10, end.Y-4, html.EscapeString(Shorten(l.Label)))
		}
	}
	for _, box := range pic.Boxes {
		if !box.Inside {
			drawNode(b, box, o)
		}
	}
	b.WriteString("</svg>\n")
	return b.Flush()
}

func drawNode(b *bufio.Writer, n Box, o Options) {
	state := o.States[n.ID]
	link := ""
	if o.Link != nil {
		link = o.Link(n.Node)
	}
	if link != "" {
		fmt.Fprintf(b, `<a href="%s">`, html.EscapeString(link))
	}
	fmt.Fprintf(b, `<g class="node %s %s" data-id="%s">`, n.Kind, state, html.EscapeString(n.ID))
	fmt.Fprintf(b, "<title>%s</title>", html.EscapeString(tooltip(n.Node, state, o.Notes[n.ID])))
	if n.Kind == Mapped {
		fmt.Fprintf(b, `<rect class="behind" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/>`, n.X+4, n.Y+4, n.W-1, n.H-1)
	}
	fmt.Fprintf(b, `<rect class="face" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%d"/>`, n.X, n.Y, n.W, n.H, corner(n))
	middle := n.Y + n.H/2
	if n.Sub != "" {
		middle = n.Y + nodeHeight/2 + 1
	}
	if n.Inside {
		middle = n.Y + header/2 + 1
	}
	x := n.X + 14
	if state != "" {
		drawSign(b, state, n.X+8, middle-8)
		x = n.X + 32
	}
	if n.Role != "" {
		fmt.Fprintf(b, `<path class="role" transform="translate(%.1f %.1f)" d="%s"/>`, n.X+n.W-22, middle-8, Roles[n.Role])
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f">%s</text>`, x, middle+4, html.EscapeString(Shorten(n.Label)))
	if n.Sub != "" {
		fmt.Fprintf(b, `<text class="sub" x="%.1f" y="%.1f">%s</text>`, x, middle+subHeight+3, html.EscapeString(Shorten(n.Sub)))
	}
	b.WriteString("</g>")
	if link != "" {
		b.WriteString("</a>")
	}
	b.WriteByte('\n')
}

func corner(n Box) int {
	if n.Inside {
		return 10
	}
	return 6
}

func tooltip(n Node, state engine.State, note string) string {
	parts := []string{strings.TrimPrefix(n.ID, "group:")}
	if n.Role != "" {
		parts[0] += " (" + string(n.Role) + ")"
	}
	if state != "" {
		parts = append(parts, strings.ReplaceAll(string(state), "_", " "))
	}
	if note != "" {
		parts = append(parts, note)
	}
	if n.Doc != "" {
		parts = append(parts, n.Doc)
	}
	return strings.Join(parts, "\n")
}

// drawSign draws a state's sign: a square of its colour with its shape on it.
func drawSign(b *bufio.Writer, s engine.State, x, y float64) {
	fmt.Fprintf(b, `<g class="sign" transform="translate(%.1f %.1f)"><rect width="16" height="16" rx="4"/><path class="%s" d="%s"/></g>`, x, y, signKind(s), Signs[s])
}

func signKind(s engine.State) string {
	if s == engine.Running {
		return "full"
	}
	return "stroke"
}

// curve is a path through points: straight within columns, curved between them.
// Before its end it is straight for as long as its label is.
func curve(p []Point, label string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", p[0].X, p[0].Y)
	if end := p[len(p)-1]; label != "" && len(p) > 1 {
		p = append(slices.Clone(p[:len(p)-1]), Point{end.X - float64(len([]rune(Shorten(label))))*labelWidth - 10, end.Y}, end)
	}
	for i := 1; i < len(p); i++ {
		if p[i].Y == p[i-1].Y {
			fmt.Fprintf(&b, "H%.1f", p[i].X)
			continue
		}
		middle := (p[i-1].X + p[i].X) / 2
		fmt.Fprintf(&b, "C%.1f %.1f %.1f %.1f %.1f %.1f", middle, p[i-1].Y, middle, p[i].Y, p[i].X, p[i].Y)
	}
	return b.String()
}

func tip(at Point) string {
	return fmt.Sprintf("M%.1f %.1fl-6 -3.5v7z", at.X, at.Y)
}
