/**
 * English words by kind, and words made up when more are wanted. Ours and not a package's, so that a seed gives the
 * same data in every install. No word stands inside another: an answer that names one never names a second by accident.
 */
import type { Draws } from './draws.ts'

const adjectivesText = `
abrupt absent abundant adequate alert ample ancient angular anxious arctic arid aromatic ashen astute austere
autumnal average awkward balanced barren bashful beloved bitter bland bleak blunt boastful bookish bouncy brash
brilliant brisk brittle broad bronze bulky burly bushy candid careful careless casual cautious central charming
cheap cheerful chilly civic classic clever cloudy clumsy coarse coastal colossal compact complex composed concrete
confident constant content copious cordial cosmic costly covert crafty creamy crimson crisp crooked crowded crucial
crude cubic curious cursory daily damp daring dazzling decent decisive defiant definite delicate dense devoted
diligent direct discreet distant dizzy docile domestic dormant doubtful drab dramatic dreamy drowsy dual dusky dusty
dutiful earnest earthy eastern elastic elderly elegant eloquent eminent endless enormous erratic esteemed eternal
exact exotic expert fabled faithful familiar famous fancy fearless feeble fertile festive feverish fickle fierce
flawless fleeting flexible floral fluent foggy fond foolish forceful formal fragile fragrant frantic frequent fresh
friendly frosty frugal fruitful fuzzy gallant gaudy generous genial gentle genuine gifted gigantic glad gleaming
glossy golden graceful gracious grainy grand grateful greedy gritty gruff grumpy gullible handsome handy hardy harsh
hasty hazy hearty hectic helpful heroic hidden historic hollow honest hopeful humble humid hungry hushed ideal idle
immense impish inland innocent intense intrepid inventive ironic ivory jagged jaunty jolly jovial joyful jubilant
juicy keen kindly knotty lanky lasting lavish lawful leafy lean legible leisurely lenient level likable limber
linear liquid literal lively lofty lonely loyal lucid luminous lunar lush magnetic majestic mammoth massive mature
meager mellow merry mighty mild minty misty mobile modest moist molten mossy muddy murky muscular musical mute
mutual mystic naive narrow native neutral nimble noble nocturnal noisy normal northern novel numb oblong obscure
ocular opaque opulent orderly ornate outgoing oval parched partial passive patient peaceful peculiar pensive perfect
petite placid playful plucky plump poetic polished polite popular portable precise pretty prickly primal pristine
private prompt proper proud prudent puffy punctual pungent puzzled quaint quiet quirky radiant rapid rare ready
rebel recent refined regal reliable remote resolute restful rigid robust romantic rotund rugged rural rustic sacred
salty sandy sane savvy scarce scenic secret sedate seemly selfless serene severe shabby shady shallow shiny silent
silken silver simple sincere sleek sleepy slender slim sluggish smoky smooth snug sober sociable solar solemn solid
somber southern sparse spicy splendid spotless square starry stately steady steep sterile sticky stout striped
studious sturdy suave subtle sudden sugary sullen sunny superb supple swift tactful tame tangible tangy tardy tawny
temperate tender tepid thirsty thorough thrifty tidy timely timid tranquil trim tropical trusty turbid ultimate
unique upbeat upright urban useful vacant vague valiant valid vast velvety verbal vibrant vigilant vintage violet
vital vivid volatile wandering warm wary watchful wealthy weary western whimsical willing wiry wise witty wooden
woolly worthy young youthful zealous zesty
`

const nounsText = `
abbey accent acorn acrobat airport alcove almanac almond alphabet amulet anchor anthem antler anvil apron aquarium
arcade archway armchair artisan atlas auction avalanche avenue avocado awning badger bagel bakery balcony ballad
ballot bamboo bandage banjo banner banquet bargain barley barn barometer barrel basil basket bathtub battery bayou
beacon beaker beaver bedrock beehive beetle bellows bicycle billboard biscuit bison blanket blizzard blossom
blueprint boiler bonfire bonnet bookcase boulder bouquet bracelet bramble brewery briefcase broccoli brooch broom
bucket buffalo bugle bungalow bunker burrow butcher buttercup buzzard cabbage cabin cactus calendar camel campus
canary candle cannery canopy canteen canvas canyon captain caramel caravan cardigan cargo caribou carnival carpet
carriage cartoon cascade cashew castle catalog caterpillar cathedral cauldron cavern cedar celery cellar ceramic
chalk chamber chapel chariot chart chateau cheetah cherry chessboard chestnut chimney chipmunk chisel chocolate
cider cinema cinnamon circus citadel clarinet classroom clinic cloak clover cobbler cobweb coconut collar colony
comet compass concert condor conductor copper coral cormorant corridor cottage cotton cougar courier courtyard
coyote cradle crane crater crayon creek crocodile crossroad crouton crown crumb crystal cuckoo cupboard curfew
curtain cushion cutlery cyclone cymbal cypress daffodil dahlia dairy daisy dancer dandelion daybreak debate decimal
deckhand delta denim dentist depot desert dessert diagram diamond diary dictionary dinghy dinner diploma disk ditch
dolphin donkey doorbell dormouse dragonfly drawbridge drawer driftwood drummer dryer dugout dungeon dustpan dynamo
eagle earring echo eclipse editor elbow elevator embassy emerald emperor engine envelope equator errand escalator
estuary eyebrow fabric factory falcon farmer feather fennel ferret ferry festival fiddle fireplace firewood flagpole
flamingo flannel flask flute foghorn folder footnote footpath forest fortress fossil fountain foxglove freezer
freight fridge fritter fungus funnel furnace gadget galaxy gallery galley garage gardener garlic garment gazebo
gazelle gecko geyser giraffe glacier glider globe goblet gondola gopher gorge granary granite grapefruit grasshopper
gravel greenhouse griddle grocer grotto groundhog grove guitar gutter gypsum haddock hallway hammer hammock hamster
handkerchief harbor harness harp harvest hatchet hawthorn haystack hazelnut heather hedgehog helmet heron herring
highway hillside hinge hockey honeycomb horizon hornet hospital hostel hourglass hummingbird hurdle hurricane
hydrant iceberg icicle igloo iguana incense inkwell insect island jackal jacket jaguar janitor jasmine javelin
jellyfish jersey jewel jigsaw journal journey juggler jungle juniper kangaroo kayak kennel kernel kerosene kettle
keyboard kiosk kitchen kitten knapsack kneecap knight koala laborer ladder ladle lagoon lantern laptop larder
lasagna lattice laundry lavender lawyer leaflet ledger legend lemonade lentil leopard lettuce library lichen
lifeboat lighthouse lilac limestone linen lizard llama lobster locket locust lotus luncheon lynx machine magazine
magnolia magpie mailbox mammal mandolin mango mansion mantle maple marble margin marigold market marmalade marmot
marsh mascot mattress meadow medal melody melon mermaid meteor microbe midnight minnow minstrel mirror mitten
monastery mongoose monsoon monument moonlight mosaic mosquito motel motor mountain mulberry mural museum mushroom
musket mustard napkin narwhal nation necklace needle nephew nickel nightgown nomad noodle notebook nougat nugget
nursery nutmeg oasis oatmeal obelisk oboe ocean octopus office omelet onion orchard orchestra orchid oregano ostrich
outpost oven overcoat oyster paddle padlock painter pajamas palace palette pamphlet pancake panther papaya paprika
parachute parade parasol parcel parlor parrot parsley passport pasture pavement pavilion peacock peanut pebble pedal
pelican pencil pendant penguin pepper perfume petal petunia pheasant phonograph piano pickle picnic pigeon pillow
pilot pinecone pirate pitcher planet plank plateau platform platter plaza plumber pocket podium pollen pony poplar
poppy porcelain porch porcupine portrait postcard potato pottery poultry prairie pretzel prism propeller proverb
puddle puffin pulley pumpkin puppet purse pyramid python quail quarry quartz quilt quiver rabbit raccoon radar
radish railway raincoat raisin rampart ranch raspberry rattle raven ravine razor receipt recipe reef referee relic
reptile reservoir restaurant rhubarb ribbon river robin rocket rooster rosebud rowboat rudder ruler saddle saffron
sailboat salad salmon sandal sapling sapphire sardine satchel satellite saucepan sausage sawdust saxophone scaffold
scarecrow scarf scholar scissors scooter scorpion sculptor seagull seashell seaweed senator shadow shampoo shepherd
sheriff shoelace shovel shrimp shrub shutter sickle sidewalk signpost siren skeleton sketch skillet skyline sleigh
slipper sloth smith snail snorkel snowflake soapstone socket sofa soldier sonnet spaniel sparrow spatula spice
spider spinach spindle splinter sponge spoon spruce squash squid squirrel stable stadium stairway stallion stapler
starfish statue steamboat stencil stirrup stork stove strawberry street stretcher submarine subway suitcase sultan
summit sundial sunflower surgeon swallow sweater swordfish symphony syrup tablet tadpole tailor tambourine tangerine
tapestry tarpaulin tavern taxicab teacup teapot telescope temple tenor terrace textbook theater thermos thicket
thimble thistle thunder thyme ticket tiger timber toaster toffee tomato topaz tornado tortoise totem toucan tower
tractor treadmill treasure triangle tricycle trolley trombone trophy trousers trowel trumpet trunk tugboat tulip
tundra tunnel turbine turnip turquoise turtle tuxedo typhoon umbrella uncle uniform vaccine valley vanilla vault
veranda vessel viaduct village vinegar vineyard viola visitor volcano voyage vulture waffle wagon waiter walnut
walrus wardrobe warehouse warrior wasp waterfall weasel weaver wetland whale wharf wheelbarrow whisker whistle
wicket widow wigwam wildcat willow windmill window wizard wolf wombat woodpecker workshop wrench yacht yarn yogurt
zebra zeppelin zipper zodiac
`

const verbsText = `
absorb accuse achieve acquire adapt adjust admire admit adopt advise afford amuse announce applaud apply approve
argue arrive assemble assist assume attach attend avoid await bathe become befriend begin behave believe belong
bewilder blame bloom borrow bounce breathe bring browse calculate cancel capture carve celebrate cherish choose clap
clarify climb collapse collect combine comfort command compare compete complain conceal conclude confess confirm
confuse connect consider consult contain continue convince cooperate create criticize crush cultivate decide declare
decorate defend delay deliver demand deny depend descend describe deserve destroy detect devour differ digest
disagree disappear discover discuss dissolve distribute disturb divide donate double educate embark embrace emerge
employ enable encourage endure enjoy enlarge enlist escape establish estimate examine exceed exchange excuse exhale
exist expand expect explain explode explore express extend fasten fetch finish flatter flourish follow forbid
forecast forget forgive fulfill gallop gather giggle glance govern grasp greet grind grumble guard guess guide
happen hesitate hover hurry identify ignore imagine imitate improve include indicate infer inform inhale inherit
inquire insert insist inspect inspire install invite isolate jostle justify kneel knit laugh launch learn lecture
liberate linger listen locate loosen magnify maintain manage march measure memorize mention mingle modify mourn
multiply mumble navigate negotiate nibble nominate notice nourish obey object observe obtain occupy offer oppose
organize overcome participate perform permit persuade plead ponder postpone practice praise predict prefer prepare
preserve pretend prevent proceed produce promise pronounce propose protect protest provide publish punish purchase
pursue qualify quarrel quench quote rearrange rebuild recall receive recite recognize recommend reconcile recover
recycle reduce reflect refuse regret rehearse reject rejoice relax release remain remember remind remove renew
repair repeat reply rescue resemble resist resolve respect respond restore retire retrieve reveal revise revolve
reward rinse satisfy scatter scold scrape scribble search select separate shiver shrink simplify skate snatch sneeze
soothe speculate sprinkle squeeze stammer stumble submit subscribe subtract succeed suggest supply support suppose
surrender surround survive suspect swerve tackle tease thrive tickle tighten tolerate transform translate travel
tremble trickle twinkle twist understand unfold unite unlock unpack unravel unveil vanish venture verify vibrate
whisper whittle widen wiggle wonder worry wrestle yawn yearn yield
`

const listOf = (text: string): readonly string[] => text.trim().split(/\s+/)

export const adjectives: readonly string[] = listOf(adjectivesText)
export const nouns: readonly string[] = listOf(nounsText)
export const verbs: readonly string[] = listOf(verbsText)

const consonants = [...'bdfgklmnprstvz']
const vowels = [...'aeiou']

/** A word of three syllables, pronounceable and in no dictionary on purpose: "bakoru". There are 343,000. */
export const inventedWord = (draws: Draws): string =>
  Array.from({ length: 3 }, () => draws.pick(consonants) + draws.pick(vowels)).join('')

/** Two words that name something: "quiet-harbor". */
export const wordPair = (draws: Draws): string => `${draws.pick(adjectives)}-${draws.pick(nouns)}`
