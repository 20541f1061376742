"""The page in a real browser: nothing to complain about, every picture has a size, no text lies on another."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to open the page")

MEASURE = """
<script>
addEventListener('load', () => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
  const pictures = [...document.querySelectorAll('figure')].map(f => ({
    name: f.querySelector('svg').getAttribute('aria-label'), box: box(f.querySelector('svg')),
    texts: [...f.querySelectorAll('svg text')].map(t => [t.textContent, ...box(t)]),
    smallest: Math.min(...[...f.querySelectorAll('svg text')].map(t => parseFloat(getComputedStyle(t).fontSize))) }));
  const found = {pictures, width: document.documentElement.scrollWidth,
    ground: getComputedStyle(document.body).backgroundColor,
    loaded: performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))};
  document.documentElement.setAttribute('data-found', JSON.stringify(found));
});
</script></body>"""


def chromium(path, folder, *options):
    """Open a page without network; return what the browser printed and its complaints."""
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
        "--v=0", *options, path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def measured(page, folder, *options):
    """What a script finds out about the page; the policy of the page itself forbids scripts, so a copy allows them."""
    copy = folder / "measured.html"
    open_policy = page.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    copy.write_text(open_policy.replace("</body>", MEASURE), encoding="utf-8")
    out, complaints = chromium(copy, folder, "--virtual-time-budget=2000", "--dump-dom", *options)
    assert not complaints
    found = re.search(r'data-found="([^"]*)"', out)
    assert found
    return json.loads(
        found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )


def overlapping(texts):
    """Pairs of texts whose boxes share more than a hair."""
    pairs = []
    for i, (a, *p) in enumerate(texts):
        for b, *q in texts[i + 1 :]:
            width, height = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            if width > 2.0 and height > 3.0 and a.strip() and b.strip():
                pairs.append((a, b))
    return pairs


def test_the_browser_has_nothing_to_complain_about(reported, tmp_path):
    out, complaints = chromium(reported, tmp_path, "--dump-dom")
    assert not complaints
    assert out.count("<svg") == reported.read_text().count("<svg") > 15


@pytest.mark.parametrize("width", [1000, 390])
def test_every_picture_has_a_size_and_its_texts_are_apart(page, tmp_path, width):
    found = measured(page, tmp_path, f"--window-size={width},2000")
    assert found["loaded"] == []
    assert found["width"] <= max(width, 500)  # a headless window is never narrower than 500 pixels
    for picture in found["pictures"]:
        left, top, right, bottom = picture["box"]
        assert right - left > 250 and bottom - top > 50, picture["name"]
        assert picture["smallest"] >= 8.0, picture["name"]
        assert not overlapping(picture["texts"]), picture["name"]
        outside = [
            t for t, *b in picture["texts"] if b[0] < left - 4 or b[2] > right + 4 or b[3] > bottom + 4
        ]
        assert not outside, (picture["name"], outside)


def test_it_is_dark_where_the_reader_wants_it_dark(page, tmp_path):
    light = measured(page, tmp_path)["ground"]
    dark = measured(page, tmp_path, "--blink-settings=preferredColorScheme=0")["ground"]
    assert (light, dark) == ("rgb(252, 252, 250)", "rgb(21, 23, 27)")


def test_a_screenshot_shows_more_than_paper(reported, tmp_path):
    shot = tmp_path / "page.png"
    chromium(reported, tmp_path, f"--screenshot={shot}", "--window-size=900,3000")
    from matplotlib.image import imread

    pixels = imread(shot)[..., :3]
    assert pixels.shape == (3000, 900, 3)
    busy = (abs(pixels - pixels[0, 0]).max(axis=2) > 0.1).reshape(10, -1).mean(axis=1)
    assert (busy > 0.005).all()
