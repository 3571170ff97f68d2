"""All English of the app, one section a module."""

# page, ui
FORGOTTEN = "This answer has been forgotten by now: please ask again."
TITLE = "CEFNet: masks from words"
HEADER = """<h1>CEFNet</h1><p>Name something in a photo, in your own words, and get its mask.</p><p class="links">
<a href="#how-good">How good is it?</a> ·
<a href="https://arxiv.org/abs/2105.01839" target="_blank" rel="noreferrer">Paper</a></p>"""
NOT_INSTALLED = "Not installed here: {names}. The rest works."
ADJUST = "Adjust"
WHY = "Why this answer?"
TAKE = "Take it away"
TABS = {
    "wordwise": "What each word does", "boundary": "Boundary", "refinement": "Refinement", "words": "Words",
    "attention": "Co-attention", "compare": "VCM against ACM",
}  # fmt: skip
MODELS = {  # the two attentions, as the paper names them
    "cefnet-vcm": ("VCM", "vanilla co-attention"),
    "cefnet-acm": ("ACM", "asymmetric co-attention"),
}

# ask
PHOTO = "Photo"
PHOTO_BUTTON = "Photo …"
EXPRESSION = "What should be masked?"
EXPRESSION_INFO = "In English. Several at once: with ; between them. Wrong thing? Click the right one in the picture."
EXPRESSION_EXAMPLE = "What should be masked? Such as: dog on the left"
FIND = "Find it"
FOLLOW = "Follow my typing"
TOO_SLOW = "Following your typing is off: an answer takes {seconds:.1f} s here."
MORE = "Try in this photo"
ASK_NOW = "Now say what to look for."
NO_PHOTO = "Add a photo first, or take one of the examples."
DRAWING = "This is a drawing (SVG), not a photo; use JPEG, PNG or WebP."
NO_EXPRESSION = "Say what to look for, for example: dog on the left."

# canvas: the bar, the picture, the list
CANVAS = {
    "bar": "How the answer is shown, and what a click means", "views": "Which network's answer", "styles": "Show as",
    "tools": "What a click means", "both": "Both", "both_long": "both networks, side by side", "swipe": "Swipe",
    "swipe_long": "both networks over one photo: move the border between them",
    "style": {"fill": "Filled", "outline": "Outline", "spotlight": "Spotlight", "cutout": "Cut out"},
    "here": "This one", "here_long": "a click says: this belongs to it", "not": "Not this",
    "not_long": "a click says: this does not belong to it (also: Alt and a click)",
    "undo": "Undo", "reset": "Reset", "large": "Full screen", "close": "Close", "lightbox": "Picture, large",
    "stage": "Photo and answer", "photo": "The photo", "empty": "Drop a photo here, paste one, or press “Photo …”.",
    "drop": "Drop the photo",
    "keys": "Arrow keys move a cross over the photo, with Shift in larger steps. Enter says: this one; Alt and Enter: "
    "not this. Escape removes the cross.",
    "eye": "Show", "remove": "Remove", "draft": "nothing yet", "pointed": "what you pointed at",
    "guess": "Show the best guess", "hide_guess": "Hide the guess", "next": "Not it? Next best",
    "copy": "Copy cut-out", "copied": "Copied", "no_copy": "This browser can't copy pictures: save it",
    "save": "Save cut-out", "drag": "Cut-out: drag it to where you need it",
}  # fmt: skip
LIST = "Asked about this photo"
LIST_EMPTY = "What you ask for is listed here, each thing in its colour."
# From which score on a model is how sure; below the presence threshold, nothing is found.
LIMITS = {"sure": 0.8, "probably": 0.5, "unsure": 0.0}
CERTAINTY = {
    "sure": "sure", "probably": "probably", "unsure": "not sure", "nothing": "nothing found", "chosen": "your choice",
}  # fmt: skip
NUMBER = "score {score:.2f}, presence {presence:.2f}"
POINTED = "what you pointed at"
FOUND = "Found “{expression}”."
FOUND_BY = "Found “{expression}” by {models} only."
NOTHING = "Nothing found for “{expression}”."
MENDED = "“{expression}”, as you corrected it."
AGREE = "{first} and {second} share {iou:.0f}% of what they mark here (intersection over union)."
AGREE_NEITHER = "Neither finds anything to mask here."
ASK_FIRST = "Say first what to look for; a click then corrects the answer."
UNKNOWN_ACTION = "This can't be done here; please reload the page."
NOTHING_NOTE = "nothing found"
AREA = "{area:.1f}% of the photo"

# adjust
THRESHOLD = "Mask threshold"
THRESHOLD_INFO = "How certain a pixel must be to belong to the mask. Redrawn without asking the networks again."
REGIONS_LABEL = "Regions"
REGIONS_INFO = "Take all if you mean several things, such as “the two dogs”: all that is certain enough is shown."
REGIONS = {"one": "Only the best", "all": "All", "auto": "As the words say"}

# gallery
EXAMPLES = "Examples"
HISTORY = "Asked before (this visit)"
CREDITS = "Examples from Flickr: {parts}."
EXAMPLE_PHOTO = "photo {number}"

# explain: boundary, refinement, words
IN_PAPER = "In the paper"
LARGE = "Open large"
FOR = "“{expression}”, by {model}"
QUOTED = "“{expression}”"
BOUNDARY_HINT = "Where the network sees the outline of what you mean."
BOUNDARY_PAPER = "The boundary map BM₁ of the last boundary refinement module, Eq. 10."
BOUNDARY_NONE = "This model has no boundary module; this is how steeply its probability rises."
BOUNDARY_ALT = "Boundary map of “{expression}” by {model}, over the greyed photo"
BOUNDARY_SCALE = "how sure the network is of an outline"
SLOPE_SCALE = "rise of the probability from pixel to pixel"
REFINEMENT_HINT = """From coarse to fine: the answer in four steps, each sharper than the one before; the last is the
mask. The white line is where the mask would end."""
REFINEMENT_PAPER = (
    "The side outputs SM₄ to SM₁ of the decoder's levels, Eq. 11; the boundary module leads from each to the next."
)
REFINEMENT_ABSENT = "Nothing here matches, so no mask is drawn: this is what the network weighed."
REFINEMENT_LIST = "Side outputs, coarse to fine"
REFINEMENT_SCALE = "probability of belonging to it"
LEVEL = "Step {step} of 4, {height} x {width} places"
LEVEL_NOTE = "overlap with the last: {overlap:.2f}"
LEVEL_LAST = "the answer"
LEVEL_ALT = "Probability at level {level}, {height} by {width} places"
WORDS_HINT = """Which places listen to which word: at each place the words share 100% between them. All pictures have
one colour scale, so that they compare."""
WORDS_PAPER = "The softmax of alpha over the words, Eq. 2, at one of the encoder's stages."
WORDS_SINGLE = "“{word}” is a single word: every place listens to it alone, so that there is nothing to compare."
WORDS_CLICKED = "There are no words here: you pointed at it."
WORDS_LIST = "A heatmap for each word"
WORDS_SCALE = "share of this word at a place"
WORDS_NONE = "This model has no word attention."
WORD_NOTE = "{found:.0f}% within the mask, {all:.0f}% over the photo"
WORD_NOTE_ABSENT = "{all:.0f}% over the photo"
WORD_ALT = "Where the word “{word}” is listened to"
STAGE = "Encoder stage"
STAGES = {3: "3 (fine, early)", 4: "4", 5: "5 (coarse, last)"}

# attend
ATTENTION_HINT = """Click a place, in any of the pictures, or move it with the sliders: what else in the photo does the
network look at to judge this place? VCM weighs every other place, ACM 110 areas of four sizes."""
ATTENTION_PAPER = (
    "A row of the affinity: of A₁ (VCM, Eq. 4), or of A₃, whose columns are the bins of four poolings (ACM, Eq. 7)."
)
ATTENTION_ACROSS = "Place: across (%)"
ATTENTION_DOWN = "Place: down (%)"
ATTENTION_PHOTO = "The photo; the ring marks the place"
ATTENTION_ALT = "What the place at {x:.0f}% across, {y:.0f}% down attends to at stage {stage}, by {model}"
ATTENTION_SCALE = "attention, in shares: 1 is what each place would get if all got the same"
ATTENTION_NOTE = "Half of the attention lies on {half} of the photo (50%: all places alike){mask}."
ATTENTION_MASK = "; {inside:.0f}% falls on what was found, which covers {area:.0f}%"
ATTENTION_NONE = "This model has no co-attention."

# wordwise
WORDWISE_HINT = """The network is asked again without each word, and as the sentence grows: does a word change the mask,
or how sure the network is that the thing is there?"""
WORDWISE_ONE = "“{word}” is a single word: there is nothing to leave out. Add where it is, or its colour."
WORDWISE_WITHOUT = "Without each word"
WORDWISE_GROWING = "As the sentence grows"
WORDWISE_LEFT_OUT = "without “{words}”"
WORDWISE_MOST = (
    "Without “{words}” the answer would be another one: it shares {overlap:.0f}% with this one (overlap, IoU)."
)
WORDWISE_LOST = "Without “{words}” no mask is left."
WORDWISE_SAME = (
    "No single word decides: without any one of them, at least {overlap:.0f}% of the mask stays the same (IoU)."
)
WORDWISE_ABSENT = "The whole expression has no mask here."
WORDWISE_USE = "Use this answer"
WORDWISE_GROUPS = "The expression is long, so that its words are taken in groups."
WORDWISE_SCORE = "score {score:.2f}"
WORDWISE_OVERLAP = "overlap {overlap:.2f}"
WORDWISE_NOTHING = "nothing here matches"
WORDWISE_UNCERTAIN = "no pixel is certain enough"
WORDWISE_ALT = "Mask of “{expression}”"
WORDWISE_ALT_NOTHING = "The photo: nothing matches “{expression}”"

# about
HOW_GOOD = """How good it is, on photos that the networks have not seen ({n} expressions of things that are there,
{absent} of things that are not)"""
HOW_GOOD_HEADS = ("right (overlap of half or more)", "absent things answered with nothing", "mean overlap (IoU)")
KINDS = {"location": "by place", "look": "by looks", "free": "freely put", "written": "in a person's words"}
BETTER = """{first} is right more often ({one} against {second}'s {other}, on photos that neither has seen), most of all
for things named {kind} (mean IoU {gain:+.2f}). <a href="#how-good">All numbers</a>"""
LOADED = "Models in use"
FROM_APP = "shipped with the app"
FROM_FOLDER = "folder {name}"
WEIGHTS = "weights {sha256}"
PRIVACY = """Photos and questions serve your visit alone: nobody else sees them; they are gone from the server an hour
after the last. Your browser keeps those of this tab, so that a reload does not lose them."""

# takeaway, exports
TAKE_HINT = """Files are made when you ask for them, in your photo's own pixels. Mask, cut-out and figure are of the
expression and model in sight; the COCO file holds all expressions by that model."""
DOWNLOADS = {
    "mask": "Mask (PNG)", "cutout": "Cut-out (PNG)", "whole": "Cut-out, hard edges, whole frame (PNG)",
    "png": "Figure (PNG)", "pdf": "Figure (PDF)", "coco": "All masks (COCO JSON)",
    "labelme": "All masks (labelme)", "yolo": "All masks (YOLO)", "zip": "Everything (ZIP)",
}  # fmt: skip
PROGRESS = "{title}: {done:.0f}%"
CANCEL = "Cancel"
SNIPPETS_HINT = "The same question as code:"
SNIPPETS = {"client": "Python (API)", "curl": "curl (API)", "library": "Python (library)"}
FIGURE_BOUNDARY = "Boundary, by {model}"
UNKNOWN = "unknown"
MODEL_LINE = "{name}, SHA-256 of its weights: {sha256}"
REGIONS_NOTE = {
    "one": "only the best of several separate regions",
    "all": "all that reach it, in however many separate regions",
    "auto": "only the best of several separate regions, unless the model takes several things to be meant",
}
ZIP_README = """CEFNet: masks from words

Photo: {photo}
Mask threshold: {threshold:g} (a pixel of at least this probability belongs to the mask)
Regions: {regions}

Models
{models}

Expressions, each in its folder
{expressions}

In each folder
figure.png           photo, every model's mask; boundary and words of {focus}
MODEL/mask.png       255 where the expression is, else 0; as large as the photo; all 0: nothing matches
MODEL/cutout.png     the mask's part of the photo, cropped to it, the rest transparent; only where something matches
MODEL/boundary.png   the boundary map, 0 to 255, at most 1024 pixels long

annotations-MODEL.json   the model's masks in COCO format: compressed RLE, box (x, y, width, height), area, score,
                         expression, model, regions; "absent" names what was not found
"""

# api
API_PHOTO = "Photo: a file or URL (JPEG, PNG, WebP)"
API_EXPRESSION = "Expression: what to look for, in English words"
API_MODEL = "Name of the model"
API_OTHER = "Name of the other model"
API_MASK_THRESHOLD = "Mask threshold, 0 to 1; None: the model's own"
API_PRESENCE_THRESHOLD = "Presence threshold, 0 to 1; None: the model's own"
API_SIZE = "Side in pixels of the network's input, a multiple of 32; None: the model's own"
API_REGIONS = """Of several separate regions, which are the mask: one (the strongest), all, or auto (as the model says,
if it can); None: the model's own"""
API_ONE_REGION = "The older name of regions: true is one, false is all"
API_CLICKS = "Clicks: a list of [y, x, true (this one) or false (not this)], in pixels of the photo"
API_NO_CLICKS = "{name} must be a list of [y, x, true or false], such as [[120, 200, true]], at most {most}."
API_STAGE = "Encoder stage: 3, 4 or 5"
API_Y = "Place that attends: pixels of the photo from its top; None: the most certain"
API_X = "Place that attends: pixels of the photo from its left; None: the most certain"
API_OUTSIDE = "y={y:g}, x={x:g} is outside the photo, which is {height} high and {width} wide."
API_URL = """The photo cannot be fetched from this address, which must be public and give at most {size} MB within
{seconds:g} s. Upload the file instead."""
API_NO_PHOTO = "photo is missing: send a file or a URL."
API_NO_FILE = """photo is no file: upload it first (see the API page) and send its path, an http(s) URL as the path, or
the file itself in base64, with or without data:image/png;base64, before it."""
API_NO_EXPRESSION = "expression is empty: say what to look for, for example: dog on the left."
API_CHOICE = "{name} must be one of: {choices}."
API_NUMBER = "{name} must be a number{limits}."
API_FLAG = "{name} must be true or false."
API_BOTH = "regions and one_region, its older name, are both given: leave one_region out."
API_LIMITS = " from {least:g} to {most:g}"
API_LEAST = " of 0 or more"
MCP_VALUE = "CEFNET_MCP is '{value}'; set it to 1 (MCP server on) or 0 (off)."
MCP_MISSING = "CEFNET_MCP is 1, but the MCP server's packages are missing: pip install '.[mcp]'"

# spelling
ENGLISH_ONLY = "“{words}” can't be read: the networks know English alone. Say it in English words."
FOREIGN = "Only English is read here: {words} said nothing to the networks."
HARDLY_KNOWN = "The networks hardly know {words}."
DID_YOU_MEAN = "Did you mean"
SEVERAL = """{number} places fit “{expression}” about equally well{by}. Click the one you mean, say where it is, or take
all regions under “Adjust”."""
BY_MODEL = ", by {model}"
NUMBERS = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}

# compare
COMPARE_HINT = "Where {first} and {second} agree, and what each costs. The picture above shows both: “Both” or “Swipe”."
AND = " and "
COMPARE_ONE = "Only {name} is loaded here: there is nothing to compare it with."
AGREEMENT = "Where the two agree"
AGREEMENT_ALT = "Agreement of {first} and {second} over the greyed photo; the legend says how much each colour covers"
BOTH = "both"
ONLY = "only {model}"
IOU = "Overlap of the two masks (intersection over union): <b>{iou:.2f}</b>"
NEITHER = "Neither finds anything to mask here."
AT_SIZE = "input of {size} x {size} pixels"
AT_OWN_SIZE = "at their own input size"
COMPARE_FACTS = ("What they answered", "score", "mask", "time")
COMPARE_COSTS = ("What a first answer costs at {size} x {size} pixels", "arithmetic", "attention memory")
SIZE = "Input size (pixels)"
SIZE_INFO = (
    "What the networks see of the photo. Small things profit from more pixels; the table below says what they cost. "
    "The networks were trained at one size: far above it answers may get worse."
)
RUN_AT_SIZE = "Run at this size"
GFLOP = "{work:.1f} GFLOP"
MEGABYTES = "{memory:.1f} MB"
NO_ATTENTION = "no co-attention"
TIMES = " ({times:.1f} times that at {size})"
