"""The screen in a headless Chromium: exact to the pixel, nothing lost, the second tab told."""

import contextlib
import http.server
import signal
import socket
import threading

import numpy as np
import pytest

from routed import as_map, scene, with_shadow, without_wheel, write_routed
from screens import VIEWPORT, Screen, browser, needs_chromium, process, served

pytestmark = [needs_chromium, pytest.mark.slow]

HEIGHT, WIDTH = 1280, 1918
PHOTO, MASK = scene(HEIGHT, WIDTH)
WHEEL_MAP, SHADOW_MAP, RIGHT_MAP = (as_map(one, radius=0.6) for one in (without_wheel(MASK), with_shadow(MASK), MASK))
RIGHT = (RIGHT_MAP >= 128).astype(np.uint8)
# What the worst photo begins with: the mean of its maps, rounded, cut at 128.
BASE = ((2 * SHADOW_MAP.astype(int) + RIGHT_MAP) / 3 >= 127.5).astype(np.uint8)


@pytest.fixture(scope="module")
def chromium():
    with browser() as one:
        yield one


@pytest.fixture
def routes(tmp_path):
    wheel, shadow, right = WHEEL_MAP, SHADOW_MAP, RIGHT_MAP
    photos = [
        ("middle", PHOTO, [wheel, wheel, right], 0.5),
        ("worst", PHOTO, [shadow, right, shadow], 0.2),
        ("best", PHOTO, [right, right, right], 0.8),
    ]
    return write_routed(tmp_path, photos)


@pytest.fixture
def open_screen(chromium, routes):
    contexts = []

    def opened(address, *, scale=1, context=None):
        context = context or chromium.new_context(viewport=VIEWPORT, device_scale_factor=scale)
        contexts.append(context)
        return Screen(context.new_page(), address, routes)

    yield opened
    for context in contexts:
        context.close()


def base(screen, image_id):
    """Return the mask that a photo begins with: kept as it is by Enter."""
    screen.opened(image_id).keys("Enter")
    screen.page.wait_for_selector(f'body:not([data-open="{image_id}"])')
    return screen.reviews.mask(image_id)


@pytest.mark.parametrize("scale", [1, 1.25, 2])
def test_a_click_with_a_brush_of_one_pixel_changes_that_pixel_whatever_the_scale(open_screen, routes, scale):
    with served(routes) as address:
        screen = open_screen(address, scale=scale).opened("worst").size(1).keys("0").click(150.5, 300.5)
        one = screen.draft("worst")
        begun = np.array(one)
        begun[300, 150] = 0
        assert one[300, 150] == 1
        screen.page.mouse.wheel(0, -700)  # closer, and the pixel stays under the pointer
        screen.click(150.5, 300.5, button="right").click(151.5, 300.5)
        two = screen.draft("worst")
        assert np.argwhere(two != begun).tolist() == [[300, 151]]
        screen.keys("z", "z", "z", "Enter").opened("middle")
        assert screen.reviews.review("worst").decision == "accepted"
        assert np.array_equal(screen.reviews.mask("worst"), begun)
        assert np.array_equal(begun, BASE)
        assert not screen.errors


def test_what_is_done_is_undone_and_done_again_to_the_byte(open_screen, routes):
    with served(routes) as address:
        screen = open_screen(address).opened("worst").keys("0")
        begun, masks = BASE, []
        screen.size(36)
        for act in (
            lambda: screen.drag((400, 200), (700, 260), (500, 400)),
            lambda: screen.keys("e").drag((960, 500), (1100, 900)),
            lambda: screen.keys("p").click(100, 100).click(300, 100).click(300, 300.5).click(100, 300).click(100, 100),
            lambda: screen.keys("g").click(50, 50),
            lambda: screen.keys("2"),
            lambda: screen.keys("h"),
        ):
            act()
            masks.append(screen.draft("worst"))
        assert all((one != other).any() for one, other in zip(masks, [begun, *masks], strict=False))
        for expected in [*masks[-2::-1], begun]:
            assert np.array_equal(screen.keys("z").draft("worst"), expected)
        for expected in masks:
            assert np.array_equal(screen.keys("y").draft("worst"), expected)
        assert not screen.errors


def test_a_polygon_holds_the_pixels_whose_centres_are_inside_and_fill_turns_a_patch_over(open_screen, routes):
    with served(routes) as address:
        screen = open_screen(address).opened("worst").keys("0", "p")
        for corner in ((100, 100), (300, 100), (300, 301), (100, 301)):
            screen.click(*corner)
        begun = BASE
        drawn = screen.keys("Enter").draft("worst")
        rows, columns = np.nonzero(drawn != begun)
        assert abs(rows.min() - 100) <= 1
        assert abs(rows.max() - 300) <= 1
        assert np.count_nonzero(drawn != begun) == len({*rows}) * len({*columns})
        assert np.array_equal(screen.keys("g").click(200, 200).draft("worst"), begun)
        filled = screen.click(5, 5).draft("worst")
        assert filled[:200].all()


def test_keys_take_proposals_whole_or_for_what_is_on_the_screen(open_screen, routes):
    with served(routes) as address:
        screen = open_screen(address).opened("worst")
        right = RIGHT
        begun = BASE
        assert np.array_equal(screen.keys("2").draft("worst"), right)
        assert np.array_equal(screen.keys("m").draft("worst"), begun)
        hull = screen.keys("h").draft("worst")
        assert (hull >= begun).all()
        assert hull.sum() > begun.sum()
        for _ in range(6):
            screen.keys("m", "+", "+")
        part = screen.keys("Shift+Digit2").draft("worst")
        assert 0 < np.count_nonzero(part != begun) < np.count_nonzero(right != begun)
        assert not ((part != begun) & (part != right)).any()


def test_enter_goes_from_the_worst_to_the_best_and_back_shows_what_was_kept(open_screen, routes):
    with served(routes) as address:
        screen = open_screen(address).opened("worst").keys("2", "Enter").opened("middle")
        assert screen.page.locator("#count").inner_text() == "1 of 3"
        screen.keys("r").opened("best").keys("Backspace").opened("middle").keys("Backspace").opened("worst")
        assert np.array_equal(base(screen, "worst"), RIGHT)
        screen.opened("best").keys("Enter")
        screen.page.wait_for_selector("#notice:not([hidden])")
        assert "All photos are decided" in screen.page.locator("#notice").inner_text()
        decisions = {name: review.decision for name, review in screen.reviews.reviews().items()}
        assert decisions == {"worst": "corrected", "middle": "rejected", "best": "accepted"}
        assert 0 < screen.reviews.review("worst").seconds < 60
        assert not screen.errors


@pytest.mark.hostile("killed")
def test_a_tab_that_is_killed_before_it_has_sent_anything_loses_nothing(open_screen, routes):
    with served(routes) as address:
        first = open_screen(address).opened("worst").keys("2")
        first.page.wait_for_timeout(150)  # the draft is sent after 600 ms of rest
        assert first.reviews.draft("worst") is None
        with contextlib.suppress(Exception):  # the tab is gone, and its answer with it
            first.page.goto("chrome://crash", timeout=3000)
        second = open_screen(f"{address}/#worst", context=first.page.context)
        second.page.get_by_role("button", name="Take it over here").click()
        second.opened("worst")
        right = RIGHT
        assert np.array_equal(second.draft("worst"), right)


@pytest.mark.hostile("killed")
def test_a_server_that_is_killed_and_comes_back_gets_all_that_was_done_meanwhile(open_screen, routes):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with process(routes, port) as server:
        screen = open_screen(f"http://127.0.0.1:{port}").opened("worst").keys("2").kept()
        server.send_signal(signal.SIGKILL)
        server.wait()
        screen.keys("0", "b").size(26).drag((200, 200), (300, 200))
        screen.page.wait_for_selector("#state[data-state=away]")
        screen.keys("Enter")
        screen.page.wait_for_selector("#toast.bad:not([hidden])")
    with process(routes, port):
        mask = screen.draft("worst")
        assert mask[200, 250] == 1
        assert np.array_equal(mask[300:], RIGHT[300:])
        screen.keys("Enter").opened("middle")
        assert np.array_equal(screen.reviews.mask("worst"), mask)


def test_a_second_tab_on_a_photo_is_told_and_the_first_one_too_when_it_takes_over(open_screen, routes):
    with served(routes) as address:
        first = open_screen(address).opened("worst")
        second = open_screen(f"{address}/#worst")
        second.page.wait_for_selector("#notice:not([hidden])")
        assert "open in another tab" in second.page.locator("#notice").inner_text()
        second.page.get_by_role("button", name="Take it over here").click()
        second.opened("worst")
        first.page.wait_for_selector("#notice:not([hidden])")
        assert "taken over" in first.page.locator("#notice").inner_text()
        third = open_screen(address).opened("middle")
        assert not third.errors


@pytest.mark.hostile("foreign files")
def test_a_page_of_another_origin_can_neither_read_nor_write(open_screen, routes):
    class Page(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<p>elsewhere</p>")

        def log_message(self, *_):
            pass

    elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    with served(routes) as address:
        screen = open_screen(address).opened("worst")
        page = screen.page.context.new_page()
        page.goto(f"http://127.0.0.1:{elsewhere.server_address[1]}/")
        script = """async (address) => {
            const answers = [];
            for (const path of ["/session", "/api/photos?tab=11111111"])
                answers.push(await fetch(address + path).then(() => "read", () => "refused"));
            await fetch(address + "/api/save?image_id=worst", {method: "POST", mode: "no-cors"}).catch(() => {});
            return answers;
        }"""
        assert page.evaluate(script, address) == ["refused", "refused"]
        assert screen.reviews.reviews() == {}  # that the answer is 403 is seen in test_review_server
    elsewhere.shutdown()
