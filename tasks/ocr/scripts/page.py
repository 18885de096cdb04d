"""Writes data/page.png: a few lines of English text, one of them askew.

Usage: page.py FONT OUT, where FONT is DejaVuSerif.ttf (https://dejavu-fonts.github.io; free, and so is what is set in
it). Needs the Python package Pillow.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

SIZE = (640, 360)
LINES = [
    ((40, 28), 34, "Proof of useful work"),
    ((40, 92), 26, "The same bits on every computer"),
    ((40, 130), 26, "whoever runs it: 2 + 2 = 4."),
    ((40, 190), 24, "Invoice No. 20483"),
    ((400, 190), 24, "Total: $1,299.50"),
]
ASKEW = ((40, 250), 28, "A line that is not quite level", 4)


def main():
    font, out = sys.argv[1:]
    page = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(page)
    for place, size, text in LINES:
        draw.text(place, text, font=ImageFont.truetype(font, size), fill=20)
    place, size, text, degrees = ASKEW
    strip = Image.new("L", (520, 90), 255)
    ImageDraw.Draw(strip).text((10, 30), text, font=ImageFont.truetype(font, size), fill=20)
    page.paste(strip.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255), place)
    page.save(out, optimize=True)


if __name__ == "__main__":
    main()
